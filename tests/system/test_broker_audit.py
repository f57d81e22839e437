"""The audit chain as auditors have it: verified here and without the broker, held against an anchor, exported, and joined
with what CloudTrail logged."""

import gzip
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

from namespace import TREE
from test_broker_api import ARN, CONF, BrokerCase

ROLE = "JIT-ElevatedAdminRole"
HOST = "\n[host web-1]\nsource = 127.0.0.0/8\n"
STRIDE = 5 if os.environ.get("PAM_JIT_FULL") else 61  # bytes from one that is altered to the next
OFFLINE = os.path.join(TREE, "docs/audit.md")


class AuditCase(BrokerCase):
    conf = CONF + HOST

    def setUp(self):
        super().setUp()
        self.store = f"{self.folder}/broker.db"

    def audit(self, *args, status=0):
        done = self.broker.admin("audit", *args, check=False)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout}{done.stderr}")
        return done

    def tampered(self, *changes):
        """A configuration whose store is a copy of the broker's with that done to it by somebody who can write it."""
        copy = f"{self.folder}/tampered"
        shutil.rmtree(copy, ignore_errors=True)
        os.makedirs(copy)
        with sqlite3.connect(self.store) as store, sqlite3.connect(f"{copy}/broker.db") as database:
            store.backup(database)
            os.chmod(f"{copy}/broker.db", 0o600)
            for change in ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", *changes):
                database.execute(change)
        store.close()
        database.close()
        with open(self.broker.conf, encoding="utf-8") as conf, \
                open(f"{copy}/jit-broker.conf", "w", encoding="utf-8") as other:
            other.write(conf.read().replace(self.store, f"{copy}/broker.db"))
        os.chmod(other.name, 0o600)
        return other.name

    def audit_of(self, conf, *args, status=1):
        done = subprocess.run([self.broker.program, "audit", *args, "--config", conf], capture_output=True, text=True,
                              timeout=20, cwd="/")
        self.assertIn(done.returncode, (0, 3) if status is None else (status,), f"{args}: {done.stdout}{done.stderr}")
        return done

    def records(self):
        return [json.loads(line) for line in self.audit("show").stdout.splitlines()]


class ChainTest(AuditCase):
    def test_a_cut_tail_is_seen_by_whoever_kept_an_anchor(self):
        self.file()
        anchor = self.audit("anchor").stdout.strip()
        seq, digest, at = anchor.split()
        last = self.records()[-1]
        self.assertEqual((int(seq), digest), (last["seq"], last["hash"]))
        self.assertRegex(at, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.file()  # the chain goes on, and the anchor still fits
        self.assertIn("whole: ", self.audit("verify", "--anchor", anchor).stdout)
        self.assertIn("1 anchor fits", self.audit("verify", "--anchor", anchor).stdout)
        # Somebody who can write the store hides the last records, and the count of them too.
        conf = self.tampered(f"DELETE FROM audit WHERE seq>={seq}", f"UPDATE sqlite_sequence SET seq={int(seq) - 1}")
        self.assertIn("whole", self.audit_of(conf, "verify", status=0).stdout)
        said = self.audit_of(conf, "verify", "--anchor", anchor).stdout
        self.assertIn(f"cut off: it ends with record {int(seq) - 1}, and an anchor of {at} names record {seq}", said)

    def test_an_altered_byte_is_found_in_its_record(self):
        """One bit of one byte, of each record's text and hash. Every one of them is tried in the unit tests too."""
        self.approve(self.file(reason="d\u00e9j\u00e0 vu"))
        conf = self.tampered()
        with sqlite3.connect(f"{self.folder}/tampered/broker.db") as database:
            rows = database.execute("SELECT seq, CAST(text AS BLOB), CAST(hash AS BLOB) FROM audit").fetchall()
        database.close()
        self.assertIn("whole", self.audit_of(conf, "verify", status=0).stdout)
        tried = 0
        for seq, *texts in rows:
            for column, text in zip(("text", "hash"), texts):
                for at in range(seq % STRIDE, len(text), STRIDE):
                    altered = text[:at] + bytes([text[at] ^ 1 << at % 8]) + text[at + 1:]
                    self.write_record(seq, column, altered)
                    said = self.audit_of(conf, "verify").stdout
                    self.assertIn(f"broken: record {seq}: ", said, f"byte {at} of {column}")
                    tried += 1
                self.write_record(seq, column, text)
        self.assertGreater(tried, 40)
        self.assertIn("whole", self.audit_of(conf, "verify", status=0).stdout)

    def write_record(self, seq, column, text):
        with sqlite3.connect(f"{self.folder}/tampered/broker.db") as database:
            database.execute(f"UPDATE audit SET {column}=CAST(? AS TEXT) WHERE seq=?", (text, seq))
        database.close()

    def test_a_chain_written_anew_is_another_one(self):
        self.file()
        anchors = f"{self.folder}/anchors"
        with open(anchors, "w", encoding="ascii") as file:
            file.write("# kept by the auditor\n")
            for _ in range(2):
                file.write(self.audit("anchor").stdout)
                self.file()
        self.assertIn("2 anchors fit", self.audit("verify", "--anchor", anchors).stdout)
        first = self.records()[0]
        forged = first | {"actor": "somebody else"}
        changes, prev = [], None
        for record in [forged] + self.records()[1:]:
            record.pop("hash")
            record["prev"] = prev or record["prev"]
            text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
            prev = hashlib.sha256(text.encode()).hexdigest()
            quoted = text.replace("'", "''")
            changes.append(f"UPDATE audit SET text='{quoted}', hash='{prev}' WHERE seq={record['seq']}")
        conf = self.tampered(*changes)
        self.assertIn("whole", self.audit_of(conf, "verify", status=0).stdout)
        self.assertIn("the audit chain is another one", self.audit_of(conf, "verify", "--anchor", anchors).stdout)

    def test_what_is_no_anchor_is_refused(self):
        for text in ("12", "12 abc", "x " + "0" * 64, "1 " + "0" * 64 + " yesterday", f"{self.folder}/nothing"):
            self.assertIn("anchor", self.audit("verify", "--anchor", text, status=1).stderr)

    def test_an_export_is_whole_and_within_its_times(self):
        self.file()
        whole = self.audit("export").stdout
        self.assertEqual(whole, self.audit("show").stdout)
        first, last = self.records()[0]["at"], self.records()[-1]["at"]
        self.assertEqual(self.audit("export", "--from", first, "--to", last).stdout, whole)
        self.assertEqual(self.audit("export", "--to", "2020-01-01T00:00:00Z").stdout, "")
        self.assertEqual(self.audit("export", "--from", "2100-01-01T00:00:00Z").stdout, "")
        self.audit("export", "--from", "yesterday", status=2)
        self.audit("anchor", "--from", first, status=2)

    def test_an_export_ends_where_the_chain_is_broken(self):
        self.file()
        done = self.audit_of(self.tampered("UPDATE audit SET text=replace(text,'e','f') WHERE seq=3"), "export")
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertIn("broken: record 3: ", done.stderr)

    def test_an_auditor_verifies_an_export_without_the_broker(self):
        """As docs/audit.md says: with sha256sum for one record, with Python's own library for the chain."""
        self.file()
        lines = self.audit("export").stdout.splitlines()
        export = f"{self.folder}/chain.jsonl"
        with open(OFFLINE, encoding="utf-8") as page:
            blocks = re.findall(r"```(\w+)[^\n]*\n(.*?)```", page.read(), re.S)
        program = next(text for language, text in blocks if language == "python")
        one = next(text for language, text in blocks if language == "sh" and "sha256sum" in text)

        def check(text):
            with open(export, "w", encoding="utf-8") as file:
                file.write(text)
            return subprocess.run([sys.executable, "-c", program, export], capture_output=True, text=True, timeout=20)

        done = check("\n".join(lines) + "\n")
        self.assertEqual((done.returncode, done.stdout), (0, f"whole: {len(lines)} records, the last is "
                                                             f"{json.loads(lines[-1])['hash']}\n"), done.stderr)
        for number in range(len(lines)):
            forged = lines[:number] + [lines[number].replace('"action":"', '"action":"x')] + lines[number + 1:]
            done = check("\n".join(forged) + "\n")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"record {number + 1} ", done.stderr)
        self.assertNotEqual(check("\n".join(lines[1:]) + "\n").returncode, 0)
        check("\n".join(lines) + "\n")
        done = subprocess.run(["sh", "-c", one], capture_output=True, text=True, timeout=20, cwd=self.folder)
        self.assertEqual(done.stdout.split()[0], json.loads(lines[-1])["hash"], done.stderr)


class TrailTest(AuditCase):
    """What CloudTrail would have logged, made from what the broker issued."""

    def setUp(self):
        super().setUp()
        self.plain = self.host.post("/request-access", {"requester": "admin@example.com", "role": ROLE, "roleArn": ARN,
                                                        "duration": 900, "simulateApproval": True}).json
        self.record = next(record for record in reversed(self.records()) if record["action"] == "credentials.issued")

    def event(self, **changes):
        given = self.plain
        event = {"eventVersion": "1.08", "eventTime": self.record["at"], "eventSource": "sts.amazonaws.com",
                 "eventName": "AssumeRole", "awsRegion": "eu-west-1", "sourceIPAddress": "192.0.2.7",
                 "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIABROKER"},
                 "requestParameters": {"roleArn": ARN, "roleSessionName": f"admin@example.com-{given['shortId']}",
                                       "durationSeconds": 900, "sourceIdentity": "admin@example.com",
                                       "tags": [{"key": "jit:host", "value": "web-1"},
                                                {"key": "jit:requestId", "value": given["requestId"]}]},
                 "responseElements": {"credentials": {"accessKeyId": given["AccessKeyId"],
                                                      "sessionToken": "x", "expiration": "Nov 23, 2026, 1:00:00 AM"}}}
        for path, value in changes.items():
            at = event
            *folders, name = path.split("__")
            for folder in folders:
                at = at[folder]
            at[name] = value
        return event

    def use(self, **changes):
        return {"eventTime": self.record["at"], "eventSource": "s3.amazonaws.com", "eventName": "ListBuckets",
                "sourceIPAddress": "127.0.0.1",
                "userIdentity": {"type": "AssumedRole", "accessKeyId": self.plain["AccessKeyId"]}, **changes}

    def trail(self, *events, packed=False, name="trail.json"):
        path = f"{self.folder}/{name}"
        data = json.dumps({"Records": list(events)}).encode()
        with open(path, "wb") as file:
            file.write(gzip.compress(data) if packed else data)
        return path

    def join(self, *paths, status=3):
        report = json.loads(self.audit("join", "--json", *paths, "--from", self.record["at"], "--to",
                                       self.record["at"], status=status).stdout)
        mine = [finding for finding in report["findings"] if finding["kind"] in ("foreign", "elsewhere")
                or finding["request"] == self.plain["shortId"]]  # other tests' may be of the same second
        return [finding["kind"] for finding in mine], mine, report

    def test_one_foreign_assume_role_among_ours_is_caught(self):
        foreign = self.event(responseElements__credentials__accessKeyId="ASIAFOREIGN",
                             requestParameters__roleSessionName="mallory", requestParameters__sourceIdentity="mallory",
                             requestParameters__tags=[])
        kinds, found, report = self.join(self.trail(self.event(), foreign, self.use()))
        self.assertEqual(kinds, ["foreign"])
        self.assertEqual((found[0]["accessKeyId"], found[0]["address"]), ("ASIAFOREIGN", "192.0.2.7"))
        self.assertIn("as mallory by mallory from 192.0.2.7: no request of this broker's", found[0]["message"])
        self.assertEqual((report["assumed"], report["matched"]), (2, 1))

    def test_a_name_borrowed_from_an_approved_request_is_foreign(self):
        kinds, found, _ = self.join(self.trail(self.event(), self.event(
            responseElements__credentials__accessKeyId="ASIABORROWED")))
        self.assertEqual(kinds, ["foreign"])
        self.assertEqual(found[0]["request"], self.plain["shortId"])
        self.assertIn("recorded no issue of these credentials", found[0]["message"])

    def test_another_identity_than_was_approved_is_foreign(self):
        for change in ({"requestParameters__sourceIdentity": "op2"}, {"requestParameters__roleSessionName": "op2-x"}):
            self.assertEqual(self.join(self.trail(self.event(**change)))[0].count("foreign"), 1, change)

    def test_an_issue_that_aws_did_not_log_is_named(self):
        kinds, found, _ = self.join(self.trail(self.use()))
        self.assertEqual(kinds, ["unseen"])
        self.assertEqual(found[0]["request"], self.plain["shortId"])

    def test_a_use_from_elsewhere_is_told_once_with_its_count(self):
        elsewhere = self.use(sourceIPAddress="203.0.113.9")
        service = self.use(sourceIPAddress="cloudformation.amazonaws.com")
        kinds, found, _ = self.join(self.trail(self.event(), self.use(), elsewhere, elsewhere, service))
        self.assertEqual(kinds, ["elsewhere"])
        self.assertEqual((found[0]["address"], found[0]["times"]), ("203.0.113.9", 2))
        self.assertIn("which is not that host's", found[0]["message"])

    def test_what_aws_refused_and_what_two_accounts_log_is_no_finding(self):
        refused = self.event(errorCode="AccessDenied", responseElements=None)
        other_role = self.event(requestParameters__roleArn="arn:aws:iam::123456789012:role/Other")
        packed = self.trail(self.event(), packed=True, name="again.json.gz")
        found, report = self.joined(self.trail(self.event(), refused, other_role), packed)
        self.assertEqual((found, report["assumed"], report["matched"], report["refused"]), ([], 1, 1, 1))

    def test_what_was_issued_for_a_role_that_is_gone_is_joined_all_the_same(self):
        with open(self.broker.conf, encoding="utf-8") as conf, \
                open(f"{self.folder}/later.conf", "w", encoding="utf-8") as later:
            later.write(conf.read().replace(ARN, "arn:aws:iam::123456789012:role/Later"))
        os.chmod(later.name, 0o600)
        at = self.record["at"]
        done = self.audit_of(later.name, "join", "--json", self.trail(self.event()), "--from", at, "--to", at, status=None)
        report = json.loads(done.stdout)
        self.assertEqual((report["assumed"], report["matched"]), (1, 1))
        self.assertNotIn(self.plain["shortId"], [finding.get("request") for finding in report["findings"]])

    def joined(self, *paths):
        """As join, whatever the exit status says about other tests' requests."""
        done = self.broker.admin("audit", "join", "--json", *paths, "--from", self.record["at"], "--to",
                                 self.record["at"], check=False)
        report = json.loads(done.stdout)
        found = [finding for finding in report["findings"] if finding.get("request") == self.plain["shortId"]
                 or finding["kind"] in ("foreign", "elsewhere")]
        self.assertEqual(done.returncode, 3 if report["findings"] else 0)
        return found, report

    def test_an_approval_that_nobody_used_is_named(self):
        filed = self.file()
        self.approve(filed)
        self.assertEqual(self.host.post(f"/requests/{filed['requestId']}/cancel").status, 200)
        used = self.file()
        self.approve(used)
        for call in ("start", "end"):
            self.assertEqual(self.host.post(f"/requests/{used['requestId']}/{call}").status, 200)
        self.assertEqual(self.host.post(f"/requests/{self.plain['requestId']}/end").status, 200)
        done = self.audit("join", self.trail(self.event()), "--from", "2020-01-01T00:00:00Z", "--to",
                          "2100-01-01T00:00:00Z", status=3)
        self.assertRegex(done.stdout, rf"(?m)^unused    \S+  {filed['shortId']} for op1 as admin on web-1 was approved and "
                                      "never used$")
        for request in (used, self.plain):
            self.assertNotRegex(done.stdout, f"(?m)^unused .*{request['shortId']}")

    def test_what_is_no_log_file_is_refused_by_name(self):
        path = f"{self.folder}/other"
        for data in (b"", b"x", b'{"Records":{}}', b'{"Records":[{}]}', b'{"Records":[', gzip.compress(b'{"Rec')[:-9],
                     b'{"Records":[]} x', b'{"Records":[]}' + b"\n" * 70000 + b"x"):
            with open(path, "wb") as file:
                file.write(data)
            self.assertIn(f"{path} is no log file of CloudTrail's", self.audit("join", path, status=1).stderr, data[:20])
        self.assertIn("No such file", self.audit("join", f"{self.folder}/none", status=1).stderr)
        self.audit("join", status=2)

    def test_a_pipe_or_a_device_among_the_log_files_is_not_waited_for(self):
        pipe = f"{self.folder}/pipe"
        os.mkfifo(pipe)
        for path, why in ((pipe, "it is no regular file"), ("/dev/zero", "it is no regular file"), (f"{self.folder}/none", "No such file")):
            said = self.audit("join", self.trail(self.event()), path, status=1).stderr
            self.assertIn(f"{path} is no log file of CloudTrail's: {why}", said)

    def test_text_of_the_trail_reaches_no_terminal(self):
        foreign = self.event(responseElements__credentials__accessKeyId="ASIA\x1b[31m",
                             requestParameters__roleSessionName="\x1b]0;x\x07\u202e")
        done = self.audit("join", self.trail(foreign), status=3)
        self.assertNotRegex(done.stdout, "[\x00-\x09\x0b-\x1f\x7f\u202e]")

    def test_nothing_is_joined_to_a_broken_chain(self):
        conf = self.tampered("UPDATE audit SET text=replace(text,'e','f') WHERE seq=2")
        self.assertIn("broken, and nothing can be joined to it: record 2", self.audit_of(conf, "join", self.trail()).stderr)
