"""What hosts call beside their own requests: events they report, hosts they may file for, and what they file there."""

import json
import uuid

from brokerlib import PUBLIC_KEY, new_secret
from test_broker_api import CONF, FILING, BrokerCase

FLEET = CONF.replace("requesters = op1 op2\nhosts = web-*", "requesters = op1 op2\nhosts = web-* ctl") + """
[host ctl]
may_request_for = web-* db-1
"""


def event(**changes):
    return {"id": str(uuid.uuid4()), "type": "break_glass.begin", "at": "2026-11-22T16:00:00Z", "requester": "op1",
            "loginUser": "op1", "service": "sudo", "target": "root", "role": "admin", "command": "/usr/bin/id",
            "tty": "/dev/pts/3", "rhost": "", "reason": "the broker is on fire", "until": "2026-11-22T16:15:00Z",
            "trouble": "connection refused", **changes}


class FleetCase(BrokerCase):
    conf = FLEET

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {name: new_secret(cls.broker, "key", "add", name) for name in ("ctl", "web-2", "web-3", "db-1", "x-1")}
        new_secret(cls.broker, "key", "add", "web-2")  # a second key of one host
        gone = new_secret(cls.broker, "key", "add", "web-9").split("_")[1]
        cls.broker.admin("key", "revoke", gone)

    def setUp(self):
        super().setUp()
        self.control = self.api(key=self.keys["ctl"])
        self.target = self.api(key=self.keys["web-2"])


class EventTest(FleetCase):
    def records(self):
        shown = self.broker.admin("audit", "show").stdout
        return [record for record in map(json.loads, shown.splitlines()) if record["action"].startswith("host.")]

    def test_each_becomes_one_record_of_the_chain_however_often_it_is_told(self):
        before = len(self.records())
        begin = event(command="/bin/sh\x1b[2J", grant=str(uuid.uuid4()))
        end = event(type="break_glass.end", why="its time is over", grant=begin["grant"])
        answer = self.host.post("/events", {"events": [begin, end]})
        self.assertEqual((answer.status, answer.json), (202, {"accepted": 2, "repeated": 0}), answer.body)
        answer = self.host.post("/events", {"events": [end, event(), begin]})
        self.assertEqual((answer.status, answer.json), (202, {"accepted": 1, "repeated": 2}))
        records = self.records()[before:]
        self.assertEqual([record["action"] for record in records],
                         ["host.break_glass.begin", "host.break_glass.end", "host.break_glass.begin"])
        self.assertEqual(records[0]["actor"], "host:web-1")
        self.assertEqual(records[0]["detail"], {
            "event": begin["id"], "grant": begin["grant"], "at": "2026-11-22T16:00:00Z", "requester": "op1",
            "loginUser": "op1", "service": "sudo", "target": "root", "role": "admin", "command": "/bin/sh?[2J",
            "tty": "/dev/pts/3", "reason": "the broker is on fire", "trouble": "connection refused",
            "until": "2026-11-22T16:15:00Z"})
        self.assertEqual(records[1]["detail"]["why"], "its time is over")
        self.assertIn("whole", self.broker.admin("audit", "verify").stdout)
        # Another host's event of that id is another event.
        answer = self.target.post("/events", {"events": [begin]})
        self.assertEqual(answer.json["accepted"], 1)

    def test_a_restart_forgets_no_id(self):
        one = event()
        self.assertEqual(self.host.post("/events", {"events": [one]}).json["accepted"], 1)
        self.broker.stop(kill=True)
        self.broker.start()
        self.host.close()
        self.assertEqual(self.host.post("/events", {"events": [one]}).json, {"accepted": 0, "repeated": 1})

    def test_what_is_malformed_is_refused_whole(self):
        before = len(self.records())
        for bad in ({}, {"events": []}, {"events": {}}, {"events": [1]}, {"events": [event() for _ in range(33)]},
                    *({"events": [event(), event(**change)]} for change in (
                        {"id": "R7KD-2M9Q"}, {"id": None}, {"id": 7}, {"type": "grant.started"},
                        {"type": "request.approved"}, {"type": None}, {"at": "yesterday"}, {"at": None},
                        {"requester": ""}, {"requester": None}, {"service": ["sudo"]}, {"reason": "x" * 512},
                        {"until": "never"}, {"grant": "x"}, {"command": "x" * 4097}))):
            answer = self.host.post("/events", bad)
            self.assertEqual((answer.status, answer.json["error"]), (400, "request.field"), (bad, answer.body))
        self.assertEqual(len(self.records()), before)
        self.assertEqual(self.host.post("/events", b"no json").status, 400)
        self.assertEqual(self.host.post("/events", {"events": [event(reason="x" * 70000)]}).status, 413)

    def test_only_a_host_reports(self):
        self.assertEqual(self.api().post("/events", {"events": [event()]}).status, 403)
        self.assertEqual(self.approver.post("/events", {"events": [event()]}).status, 403)


class HostsTest(FleetCase):
    def hosts(self, api, query=""):
        answer = api.get(f"/hosts{query}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json["hosts"]

    def test_a_control_node_sees_those_it_may_file_for(self):
        self.assertEqual(self.hosts(self.control), ["ctl", "db-1", "web-1", "web-2", "web-3"])
        self.assertEqual(self.hosts(self.control, "?match=web-*"), ["web-1", "web-2", "web-3"])
        self.assertEqual(self.hosts(self.control, "?match=web-%5B12%5D&match=c?l"), ["ctl", "web-1", "web-2"])
        self.assertEqual(self.hosts(self.control, "?match=x-*"), [])

    def test_any_other_host_sees_itself(self):
        self.assertEqual(self.hosts(self.host), ["web-1"])
        self.assertEqual(self.hosts(self.host, "?match=*"), ["web-1"])
        self.assertEqual(self.hosts(self.host, "?match=web-2"), [])

    def test_patterns_are_bounded(self):
        self.assertEqual(self.control.get("/hosts?" + "&".join(["match=x"] * 33)).status, 400)
        self.assertEqual(self.control.get("/hosts?match=" + "x" * 256).status, 400)
        self.assertEqual(self.approver.get("/hosts").status, 403)


class ControlNodeTest(FleetCase):
    def test_the_host_it_is_for_collects_with_a_key_of_its_own(self):
        cursor = self.target.get("/changes").json["next"]
        self.target.send("GET", f"/changes?after={cursor}&wait=20")
        answer = self.control.post("/request-access", {**FILING, "forHost": "web-2", "role": "*", "resume": True})
        self.assertEqual(answer.status, 200, answer.body)
        request = answer.json
        path = f"/requests/{request['requestId']}"
        self.assertEqual((request["role"], request["host"], request["filedBy"]), ("admin", "web-2", "ctl"))
        told = self.target.receive().json  # its poll ends at once
        self.assertEqual([change["requestId"] for change in told["changes"]], [request["requestId"]])
        self.approve(request)
        first = self.target.get("/changes").json["changes"]
        self.assertIn((request["requestId"], "APPROVED"),
                      [(change["requestId"], change["status"]) for change in first])
        for call in ("start", "credentials"):
            refused = self.control.post(f"{path}/{call}")
            self.assertEqual((refused.status, refused.json["error"]), (403, "grant.host"), refused.body)
        self.assertEqual(self.target.post(f"{path}/start").json["status"], "ACTIVE")
        self.assertEqual(self.target.post(f"{path}/credentials").status, 400)
        collected = self.target.post(f"{path}/credentials", {"publicKey": PUBLIC_KEY})
        self.assertEqual(collected.status, 200, collected.body)
        self.assertTrue(collected.json["sealedCredentials"])
        again = self.target.post(f"{path}/credentials", {"publicKey": PUBLIC_KEY})  # without the token: a new one
        self.assertEqual(again.status, 200)
        self.assertEqual(self.control.get(path).json["status"], "ACTIVE")
        self.assertEqual(self.control.post(f"{path}/end").json["status"], "ENDED")
        actions = [(record["action"], record["actor"])
                   for record in map(json.loads, self.broker.admin("audit", "show").stdout.splitlines())
                   if record.get("requestId") == request["requestId"]]
        self.assertEqual(actions, [("request.filed", "host:ctl"), ("request.approved", "appr1"),
                                   ("grant.started", "host:web-2"), ("credentials.issued", "host:web-2"),
                                   ("grant.token_renewed", "host:web-2"), ("credentials.issued", "host:web-2"),
                                   ("grant.ended", "host:ctl")])

    def test_it_files_for_no_other_host(self):
        for host in ("x-1", "unheard-of"):
            answer = self.control.post("/request-access", {**FILING, "forHost": host})
            self.assertEqual((answer.status, answer.json["error"]), (403, "policy.host"), answer.body)
        answer = self.host.post("/request-access", {**FILING, "forHost": "web-2"})
        self.assertEqual((answer.status, answer.json["error"]), (403, "policy.host"))
        answer = self.host.post("/request-access", {**FILING, "role": "*", "target": "postgres"})
        self.assertEqual((answer.status, answer.json["error"]), (403, "policy.role"))

    def test_it_gets_no_clear_credentials_of_another_host(self):
        plain = {key: value for key, value in FILING.items() if key != "publicKey"}
        answer = self.control.post("/request-access?wait=0", {
            **plain, "forHost": "web-2", "requester": "admin@example.com", "role": "JIT-ElevatedAdminRole",
            "roleArn": "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole", "simulateApproval": True})
        self.assertEqual((answer.status, answer.json["status"]), (200, "APPROVED"), answer.body)
        self.assertNotIn("AccessKeyId", answer.json)


del BrokerCase, FleetCase
