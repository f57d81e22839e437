"""The state machines of packaging/aws: what they say, walked through as Step Functions would, with every outcome."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import npm
from lab import read
from namespace import TREE

FOLDER = os.path.join(TREE, "packaging/aws")
STANDARD, EXPRESS = (os.path.join(FOLDER, name) for name in ("state-machine.asl.json", "state-machine-express.asl.json"))
ENDED = ("EXPIRED", "CANCELLED", "REVOKED", "FAILED", "ENDED")
STATUSES = ("PENDING", "APPROVED", "ACTIVE", "DENIED", *ENDED)
INPUT = {"requestId": "0b6c", "simulateApproval": False, "Payload": {"pendingSeconds": 300, "useSeconds": 600}}
# What may stand in an execution's history: no field that could hold a credential in clear.
TAKEN = {"step", "requestId", "taskToken", "publicKey", "pendingSeconds", "useSeconds", "until"}
GIVEN = {"status", "requestId", "pendingSeconds", "useSeconds", "message", "sealedCredentials"}

prepare = npm.prepare


def states(path):
    return json.loads(read(path))["States"]


class Timeout(Exception):
    pass


class Trouble(Exception):
    pass


def at(path, data, default=None):
    """The value of a reference path ("$.a.b"); the intrinsic function that we use is written out."""
    formatted = re.fullmatch(r"States\.Format\('([^']*)'((?:, \$[\w.]+)*)\)", path)
    if formatted:
        text = formatted[1]
        for argument in formatted[2].split(", ")[1:]:
            text = text.replace("{}", str(at(argument, data)), 1)
        return text
    for name in path.split(".")[1:]:
        if not isinstance(data, dict) or name not in data:
            return default
        data = data[name]
    return data


def fill(template, data):
    """Parameters or ResultSelector; a path that leads nowhere ends an execution, and this test."""
    filled = {}
    for name, value in template.items():
        if not name.endswith(".$"):
            filled[name] = fill(value, data) if isinstance(value, dict) else value
        elif value.startswith("$$"):
            filled[name[:-2]] = value
        else:
            filled[name[:-2]] = at(value, data)
            assert filled[name[:-2]] is not None, f"{value} is not in {data}"
    return filled


def put(path, data, value):
    if path is None:
        return data
    return value if path == "$" else {**data, path[2:]: value}


def holds(rule, data):
    if "And" in rule:
        return all(holds(part, data) for part in rule["And"])
    value = at(rule["Variable"], data)
    if "IsPresent" in rule:
        return (value is not None) == rule["IsPresent"]
    wanted = rule.get("StringEquals", rule.get("BooleanEquals"))
    return type(value) is type(wanted) and value == wanted


class Walk:
    """An execution whose tasks end as told: `outcomes` has, for each task in turn, a status or what it raises."""

    def __init__(self, path, data, outcomes):
        definition = json.loads(read(path))
        self.states, self.outcomes, self.seen = definition["States"], list(outcomes), []
        self.history, self.output = [data], None
        name = definition["StartAt"]
        while name:
            self.seen.append(name)
            name, data = self.step(self.states[name], data)
            self.history.append(data)
        self.output = data

    def run(self, state, data):
        asked = fill(state["Parameters"]["Payload"], data)
        self.history.append(asked)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, type):
            raise outcome()
        said = {"status": outcome, "requestId": data["requestId"], "pendingSeconds": 60, "useSeconds": 60,
                "sealedCredentials": "e30..a.b.c"}
        return said if state["Resource"].endswith("waitForTaskToken") else {"Payload": said}

    def task(self, state, data):
        if "TimeoutSecondsPath" in state:  # interpreters differ in which of the two they read
            seconds = {at(state["TimeoutSecondsPath"], of) for of in (data, fill(state["Parameters"], data))}
            assert len(seconds) == 1 and isinstance(min(seconds), int) and min(seconds) > 0, seconds
        try:
            said = self.run(state, data)
        except (Timeout, Trouble) as error:
            wanted = ("States.Timeout", "States.ALL") if isinstance(error, Timeout) else ("States.ALL",)
            for rule in state.get("Catch", []):
                if set(rule["ErrorEquals"]) & set(wanted):
                    return rule["Next"], put(rule["ResultPath"], data, {"Error": type(error).__name__})
            raise
        if "ResultSelector" in state:
            said = fill(state["ResultSelector"], said)
        return state.get("Next"), put(state.get("ResultPath", "$"), data, said)

    def step(self, state, data):
        if state["Type"] == "Task":
            return self.task(state, data)
        if state["Type"] == "Choice":
            chosen = [rule["Next"] for rule in state["Choices"] if holds(rule, data)]
            return chosen[0] if chosen else state["Default"], data
        if state["Type"] == "Pass":
            data = fill(state["Parameters"], data)
        if state["Type"] == "Succeed":
            return None, at(state.get("OutputPath", "$"), data)
        return state["Next"], data


class Standard(unittest.TestCase):
    def walk(self, *outcomes, **more):
        walk = Walk(STANDARD, {**INPUT, **more}, outcomes)
        self.assertEqual(walk.outcomes, [], walk.seen)
        return walk

    def test_an_approval_is_waited_for_and_the_collection_too(self):
        walk = self.walk("APPROVED", "ACTIVE", "ACTIVE")
        self.assertEqual(walk.seen, ["SimulateApproval", "AwaitDecision", "Decision", "AssumeJITRole", "Collected",
                                     "Approved", "Over"])
        self.assertEqual(walk.output, {"status": "ACTIVE"})

    def test_what_the_policy_approved_waits_for_nobody(self):
        self.assertEqual(self.walk("ACTIVE", "ACTIVE", simulateApproval=True).seen,
                         ["SimulateApproval", "AssumeJITRole", "Collected", "Approved", "Over"])

    def test_only_true_is_an_approval(self):
        for value in ("true", 1, None, False, {}):
            self.assertEqual(self.walk("DENIED", "DENIED", simulateApproval=value).seen[1], "AwaitDecision", value)

    def test_every_status_of_a_decision_leads_to_its_end(self):
        for status in ENDED:
            walk = self.walk(status)
            self.assertEqual((walk.seen[-2:], walk.output), (["Decision", "Over"], {"status": status}))
        self.assertEqual(self.walk("DENIED", "DENIED").seen[-3:], ["Decision", "Denied", "Over"])
        for status in ENDED:
            self.assertNotIn("Approved", self.walk("APPROVED", status).seen)

    def test_a_time_out_asks_the_table_and_follows_what_it_says(self):
        self.assertEqual(self.walk(Timeout, "EXPIRED").seen[-4:], ["Expire", "FollowTruth", "Decision", "Over"])
        self.assertIn("Approved", self.walk(Timeout, "APPROVED", "ACTIVE", "ACTIVE").seen)  # the decision came first
        self.assertEqual(self.walk(Timeout, "PENDING", "DENIED", "DENIED").seen.count("AwaitDecision"), 2)
        self.assertEqual(self.walk("APPROVED", Timeout, "EXPIRED").seen[-1], "Over")  # never collected

    def test_any_trouble_asks_the_table_and_is_no_approval(self):
        for before in ((), ("APPROVED",)):
            for status in STATUSES:
                more = {"PENDING": ("DENIED", "DENIED"), "APPROVED": ("REVOKED",), "ACTIVE": ("ACTIVE",),
                        "DENIED": ("DENIED",)}.get(status, ())
                walk = self.walk(*before, Trouble, status, *more)
                self.assertIn("ReadTruth", walk.seen)
                self.assertEqual("Approved" in walk.seen, status == "ACTIVE", (status, walk.seen))
        self.assertIn("ReadTruth", self.walk(Timeout, Trouble, "EXPIRED").seen)

    def test_trouble_at_the_end_leaves_the_outcome_as_it_is(self):
        self.assertEqual(self.walk("APPROVED", "ACTIVE", Trouble).output, {"status": "ACTIVE"})
        self.assertEqual(self.walk("DENIED", Trouble).output, {"status": "DENIED"})


class Express(unittest.TestCase):
    def walk(self, *outcomes, **more):
        return Walk(EXPRESS, {"requestId": "0b6c", "publicKey": {"kty": "EC"}, "until": 1795363200, **more}, outcomes)

    def test_what_the_policy_approved_is_returned_sealed(self):
        walk = self.walk("ACTIVE", "ACTIVE", simulateApproval=True)
        self.assertEqual(walk.seen, ["SimulateApproval", "AssumeJITRole", "Approved", "ReturnCredentials"])
        self.assertEqual(walk.output, {"sealedCredentials": "e30..a.b.c"})

    def test_all_else_is_denied_with_the_older_functions_words(self):
        for value in (False, "true", None):
            walk = self.walk("DENIED", simulateApproval=value)
            self.assertEqual((walk.seen[-1], walk.output), ("Denied", {"message": "Request 0b6c updated to DENIED"}))

    def test_trouble_ends_it_without_credentials(self):
        with self.assertRaises(Trouble):
            self.walk(Trouble, simulateApproval=True)
        with self.assertRaises(Trouble):
            self.walk("ACTIVE", Trouble, simulateApproval=True)

    def test_it_waits_for_no_callback_and_ends_before_the_gateway_does(self):
        self.assertNotIn(".waitForTaskToken", read(EXPRESS))
        self.assertLess(json.loads(read(EXPRESS))["TimeoutSeconds"], 29)


class Both(unittest.TestCase):
    def tasks(self):
        for path in (STANDARD, EXPRESS):
            for name, state in states(path).items():
                if state["Type"] == "Task":
                    yield f"{os.path.basename(path)}:{name}", state

    def test_the_states_that_people_know_are_there(self):
        for path in (STANDARD, EXPRESS):
            self.assertLessEqual({"SimulateApproval", "AssumeJITRole", "Approved", "Denied"}, set(states(path)))
            self.assertEqual(json.loads(read(path))["StartAt"], "SimulateApproval")

    def test_no_task_takes_or_gives_what_could_be_a_credential(self):
        for name, state in self.tasks():
            with self.subTest(name):
                taken = {field.removesuffix(".$") for field in state["Parameters"]["Payload"]}
                self.assertLessEqual(taken, TAKEN)
                self.assertNotIn("InputPath", state)
                if state.get("ResultPath", "$") is None:
                    continue  # its answer is dropped
                self.assertLessEqual({field.removesuffix(".$") for field in state["ResultSelector"]}, GIVEN)

    def test_every_task_ends_in_time_and_is_tried_again_when_lambda_is_busy(self):
        for name, state in self.tasks():
            with self.subTest(name):
                self.assertTrue("TimeoutSeconds" in state or "TimeoutSecondsPath" in state)
                self.assertIn("Lambda.TooManyRequestsException", state["Retry"][0]["ErrorEquals"])

    def test_asl_validator_finds_nothing_and_would_find_what_is_wrong(self):
        wrong = (('"Next": "Decision"', '"Next": "Decison"'), ('"Type": "Task"', '"Type": "Tusk"'),
                 ('"StartAt": "SimulateApproval",', ""), ('"TimeoutSecondsPath": "$.', '"TimeoutSecondsPath": "'))
        with tempfile.TemporaryDirectory() as folder:
            broken = [os.path.join(folder, str(number)) for number in range(len(wrong))]
            for path, (old, new) in zip(broken, wrong):
                self.assertIn(old, read(STANDARD))
                with open(path, "w", encoding="utf-8") as file:
                    file.write(read(STANDARD).replace(old, new, 1))
            done = subprocess.run(["node", os.path.join(TREE, "tests/system/asl_check.mjs"), npm.packages(), STANDARD,
                                   EXPRESS, *broken], capture_output=True, text=True, timeout=60)
        good, found = done.stdout.splitlines()[:2], done.stdout.splitlines()[2:]
        self.assertEqual(good, ["[]", "[]"], done.stderr)
        self.assertEqual(len(found), len(wrong), done.stderr)
        for change, errors in zip(wrong, found):
            with self.subTest(change):
                self.assertNotEqual(errors, "[]")


if __name__ == "__main__":
    unittest.main()
