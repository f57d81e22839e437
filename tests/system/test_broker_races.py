"""Decisions that race: forty calls over as many TLS connections, by several persons, the host and the approvers' command,
at two brokers that share a store. Whatever comes first is the one that counts."""

import collections
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import unittest

from brokerlib import PUBLIC_KEY, Api, Broker, free_port, make_broker, new_secret

ARN = "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole"
ROLE = """services = sudo
requesters = @sre deploy
hosts = *
targets = root
approvers = @oncall
code = off
reason = optional
"""
CONF = f"""issuer = demo
[role admin]
arn = {ARN}
unsealed = allow
{ROLE}
[role two]
approvals = 2
{ROLE}
[role coded]
{ROLE.replace("code = off", "code = required")}
[group sre]
members = op1 op1-adm op2
[group oncall]
members = appr1 appr2 appr3 op1
[person op1]
unix = op1 op1-adm
[person op2]
[person deploy]
shared = yes
[person appr1]
[person appr2]
[person appr3]
"""
ROUNDS = 40 if os.environ.get("PAM_JIT_FULL") else 6
RACERS = 40
PERSONS = ("appr1", "appr2", "appr3")


class Racer(threading.Thread):
    """One connection that is open before the race begins; `call` makes the call on it and returns the answer."""

    def __init__(self, barrier, said, name, call):
        super().__init__(daemon=True)
        self.barrier, self.said, self.label, self.call = barrier, said, name, call

    def run(self):
        try:
            self.barrier.wait(30)
            self.said.put((self.label, self.call()))
        except Exception as problem:  # told by whoever counts the answers
            self.said.put((self.label, problem))


class RaceCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="races-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        first = make_broker(cls.folder, CONF)
        second = Broker(first.program, f"{cls.folder}/second.conf", f"{cls.folder}/second.log", free_port())
        with open(first.conf, encoding="utf-8") as file:
            text = file.read().replace(f":{first.port}", f":{second.port}")
        with open(os.open(second.conf, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        cls.brokers = (first, second)
        for broker in cls.brokers:
            broker.start()
            cls.addClassCleanup(broker.stop)
        cls.key = new_secret(first, "key", "add", "web-1")
        cls.tokens = {name: new_secret(first, "token", "add", name) for name in (*PERSONS, "op1", "op2")}
        for name, token in cls.tokens.items():
            with open(os.open(f"{cls.folder}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
                file.write(token + "\n")

    @classmethod
    def log_tails(cls):
        lines = []
        for broker in cls.brokers:
            with open(broker.log, encoding="utf-8") as file:
                lines += file.read().splitlines()[-10:]
        return lines

    def setUp(self):
        self.host = self.api(0, key=self.key)

    def api(self, broker, **who):
        api = Api(self.brokers[broker].port, f"{self.folder}/ca.pem", **who)
        self.addCleanup(api.close)
        return api

    def file(self, **changes):
        body = {"requester": "op2", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "resume": True, **changes}
        answer = self.host.post("/request-access", {name: value for name, value in body.items() if value is not None})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def command(self, name, request_id):
        """jit-broker approve, as somebody types it on the broker's machine."""
        done = subprocess.run([self.brokers[0].program, "approve", request_id, "--url",
                               f"https://127.0.0.1:{self.brokers[0].port}", "--ca", f"{self.folder}/ca.pem",
                               "--token-file", f"{self.folder}/{name}"], capture_output=True, text=True, timeout=30,
                              stdin=subprocess.DEVNULL, env={"HOME": self.folder, "PATH": "/usr/bin:/bin"})
        return {0: 200, 1: 409}.get(done.returncode, done.stderr)

    def race(self, request, calls, commands=0, brokers=2, answers_are=(200, 409)):
        """Makes the calls, (name, "approve") by that person and (None, "cancel") by the host, all at once. What each was
        answered: {"approve": [200, 409, …]}."""
        path = f"/requests/{request['requestId']}"
        barrier, said, racers = threading.Barrier(len(calls) + commands), queue.Queue(), []
        for number, (name, call) in enumerate(calls):
            api = self.api(number % brokers, **({"token": self.tokens[name]} if name else {"key": self.key}))
            api.connection.connect()
            body = {"publicKey": PUBLIC_KEY} if call == "credentials" else {}
            racers.append(Racer(barrier, said, call,
                                lambda api=api, call=call, body=body: api.post(f"{path}/{call}", body).status))
        for number in range(commands):
            racers.append(Racer(barrier, said, "approve", lambda name=PERSONS[number % 3]: self.command(
                name, request["requestId"])))
        for racer in racers:
            racer.start()
        answers = collections.defaultdict(list)
        for _ in racers:
            call, status = said.get(timeout=60)
            self.assertIn(status, answers_are, f"{call}: {status}")
            answers[call].append(status)
        return answers

    def actions(self, request):
        """What the chain says of it after its filing, and the record itself."""
        records = [json.loads(line) for line in self.brokers[0].admin("audit", "export").stdout.splitlines()]
        mine = [record for record in records if record.get("requestId") == request["requestId"]]
        self.assertEqual(mine[0]["action"], "request.filed")
        return mine[1:]

    def status(self, request):
        return self.host.get(f"/requests/{request['requestId']}").json

    @staticmethod
    def each(count, *calls):
        return [calls[number % len(calls)] for number in range(count)]


class DecisionRaceTest(RaceCase):
    def test_of_forty_decisions_one_counts(self):
        for _ in range(ROUNDS):
            request = self.file()
            answers = self.race(request, self.each(RACERS - 2, *((name, call) for name in PERSONS
                                                                 for call in ("approve", "deny"))), commands=2)
            self.assertEqual(sum(len(statuses) for statuses in answers.values()), RACERS)
            won = [call for call, statuses in answers.items() for status in statuses if status == 200]
            self.assertEqual(len(won), 1, answers)
            action = {"approve": "request.approved", "deny": "request.denied"}[won[0]]
            self.assertEqual([record["action"] for record in self.actions(request)], [action])
            now = self.status(request)
            self.assertEqual(now["status"], action.split(".")[1].upper())
            self.assertEqual(now["decidedBy"], self.actions(request)[0]["actor"])

    def test_mixed_with_revocations_and_withdrawals_each_step_happens_once(self):
        ends = ("request.denied", "request.cancelled", "request.revoked")
        for _ in range(ROUNDS):
            request = self.file()
            answers = self.race(request, self.each(RACERS - 2, ("appr1", "approve"), ("appr2", "deny"), (None, "cancel"),
                                                   ("appr3", "revoke"), ("appr2", "approve"), (None, "end")), commands=2)
            actions = [record["action"] for record in self.actions(request)]
            self.assertIn(actions, [[end] for end in ends[:2]] + [["request.approved", end] for end in ends[1:]])
            self.assertEqual(self.status(request)["status"], actions[-1].split(".")[1].upper())
            for call, action in (("approve", "request.approved"), ("deny", "request.denied"),
                                 ("revoke", "request.revoked")):
                self.assertEqual(answers[call].count(200), actions.count(action), f"{call}: {answers}")
            self.assertEqual(answers["cancel"] + answers["end"], [200] * len(answers["cancel"] + answers["end"]))

    def test_an_approval_that_many_give_at_once_is_one_issue_of_credentials(self):
        for _ in range(ROUNDS):
            waiting = self.api(0, key=self.key)
            waiting.send("POST", "/request-access?wait=20", {"requester": "op2", "role": "admin", "roleArn": ARN,
                                                              "duration": 900})
            person, found = self.api(0, token=self.tokens["appr1"]), []
            while not found:
                found = person.get("/requests").json["requests"]
            answers = self.race(found[0], self.each(RACERS, *((name, "approve") for name in PERSONS)),
                                brokers=1)  # who waits hears of what its own broker did
            self.assertEqual(answers["approve"].count(200), 1)
            answer = waiting.receive()
            self.assertEqual(answer.status, 200, answer.body)
            records = self.actions(found[0])
            self.assertEqual([record["action"] for record in records], ["request.approved", "credentials.issued"])
            self.assertEqual(records[1]["detail"]["accessKeyId"], answer.json["AccessKeyId"])


    def test_uses_that_race_with_ends_leave_no_grant_and_no_credentials_that_nobody_knows_of(self):
        for _ in range(ROUNDS):
            request = self.file()
            answer = self.api(0, token=self.tokens["appr1"]).post(f"/requests/{request['requestId']}/approve")
            self.assertEqual(answer.status, 200, answer.body)
            answers = self.race(request, self.each(RACERS, (None, "start"), (None, "credentials"), ("appr2", "revoke"),
                                                   (None, "end"), (None, "cancel")), answers_are=(200, 403, 409, 429))
            actions = [record["action"] for record in self.actions(request)][1:]
            self.assertEqual([action for action in actions if action in ("grant.ended", "request.revoked",
                                                                         "request.cancelled")], actions[-1:])
            self.assertLessEqual(actions.count("grant.started"), 1)
            self.assertEqual(actions.count("credentials.issued"), answers["credentials"].count(200), answers)
            self.assertEqual(answers["revoke"].count(200), actions.count("request.revoked"))
            self.assertEqual(self.status(request)["status"], actions[-1].split(".")[1].upper())

    def test_forty_filings_with_one_key_are_one_request(self):
        for number in range(ROUNDS):
            barrier, said = threading.Barrier(RACERS), queue.Queue()
            body = {"requester": "op2", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "resume": True}
            key = {"Idempotency-Key": f"round-{number}"}
            for racer in range(RACERS):
                api = self.api(racer % 2, key=self.key)
                api.connection.connect()
                Racer(barrier, said, "", lambda api=api, key=key: api.post("/request-access", body, key).json).start()
            answers = [said.get(timeout=60)[1] for _ in range(RACERS)]
            self.assertEqual(len({answer["requestId"] for answer in answers}), 1, answers[0])
            self.assertEqual(self.actions(answers[0]), [])
            self.host.post(f"/requests/{answers[0]['requestId']}/cancel")


class QuorumTest(RaceCase):
    def approve(self, name, request, **body):
        answer = self.api(0, token=self.tokens[name]).post(f"/requests/{request['requestId']}/approve", body)
        return answer.json["status"] if answer.status == 200 else (answer.status, answer.json["error"])

    def test_two_approvers_are_two_persons(self):
        request = self.file(role="two")
        self.assertEqual(self.approve("appr1", request), "PENDING")
        self.assertEqual(self.approve("appr1", request), "PENDING")  # repeated: changes nothing
        self.assertEqual([record["action"] for record in self.actions(request)], ["request.approval"])
        self.assertEqual(self.approve("appr2", request), "APPROVED")
        self.assertEqual(self.approve("appr3", request), (409, "request.decided"))
        self.assertEqual(self.approve("appr1", request), (409, "request.decided"))
        self.assertEqual(self.status(request)["decidedBy"], "appr1 appr2")

    def test_forty_approvals_by_two_persons_are_two(self):
        for _ in range(ROUNDS):
            request = self.file(role="two")
            answers = self.race(request, self.each(RACERS - 2, ("appr1", "approve"), ("appr2", "approve")), commands=2)
            self.assertGreaterEqual(answers["approve"].count(200), 2)
            records = self.actions(request)
            self.assertEqual([record["action"] for record in records], ["request.approval", "request.approved"])
            self.assertEqual(len({record["actor"] for record in records}), 2, records)
            self.assertEqual(self.status(request)["status"], "APPROVED")

    def test_forty_approvals_by_one_person_are_one(self):
        request = self.file(role="two")
        self.race(request, self.each(RACERS, ("appr1", "approve")))
        self.assertEqual([record["action"] for record in self.actions(request)], ["request.approval"])
        self.assertEqual(self.status(request)["status"], "PENDING")

    def test_nobody_approves_their_own_under_any_of_their_names(self):
        """op1 is of the group that approves. By Unix name, by another one of theirs, by who logged in."""
        own = (403, "approval.own_request")
        for facts in ({"requester": "op1"}, {"requester": "op1-adm"}, {"requester": "op2", "loginUser": "op1"},
                      {"requester": "deploy", "loginUser": "op1-adm"}, {"requester": "op1", "loginUser": "op2"}):
            request = self.file(role="two", **facts)
            self.assertEqual(self.approve("op1", request), own, facts)
            self.assertEqual(self.approve("appr1", request), "PENDING")
            self.assertEqual(self.approve("op1", request), own)  # nor as the second of two
            self.assertEqual(self.actions(request)[-1]["actor"], "appr1")
        other = self.file(role="two", requester="op2", loginUser="op2")
        self.assertEqual(self.approve("op1", other), "PENDING")  # of others' they decide

    def test_three_wrong_codes_end_it_whoever_gives_them_and_whatever_starts_anew(self):
        request = self.file(role="coded")
        wrong = f"{(int(request['code']) + 1) % 100:02}"
        refused = (403, "approval.wrong_code")
        self.assertEqual(self.approve("appr1", request, code=wrong), refused)
        self.assertEqual(self.approve("appr2", request, code=wrong), refused)
        self.brokers[0].stop(kill=True)
        self.brokers[0].start()
        self.host.close()
        self.assertEqual(self.status(request)["status"], "PENDING")
        self.assertEqual(self.approve("appr3", request, code=wrong), refused)
        self.assertEqual(self.approve("appr1", request, code=request["code"]), (409, "request.decided"))
        self.assertEqual([record["action"] for record in self.actions(request)],
                         ["approval.wrong_code", "approval.wrong_code", "request.denied"])

    def test_wrong_codes_that_race_are_three(self):
        """Nobody gets more tries by giving them at once."""
        request = self.file(role="coded")
        path, wrong = f"/requests/{request['requestId']}/approve", f"{(int(request['code']) + 1) % 100:02}"
        barrier, said = threading.Barrier(RACERS), queue.Queue()
        for number in range(RACERS):
            api = self.api(number % 2, token=self.tokens[PERSONS[number % 3]])
            api.connection.connect()
            Racer(barrier, said, "", lambda api=api: api.post(path, {"code": wrong}).status).start()
        statuses = [said.get(timeout=60)[1] for _ in range(RACERS)]
        self.assertEqual((statuses.count(403), statuses.count(409)), (3, RACERS - 3))
        self.assertEqual(self.status(request)["status"], "DENIED")


del RaceCase

if __name__ == "__main__":
    unittest.main()
