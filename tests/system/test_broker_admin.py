"""The broker's local commands: keys, tokens, the configuration's check and the audit chain, as its operator sees them."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

from brokerlib import PUBLIC_KEY, Api, built, edit_ini, make_broker

CONF = """issuer = demo
[role admin]
services = sudo
requesters = op1 appr1 deploy
hosts = web-*
targets = root
approvers = appr1 appr2
max_duration = 30m
reason = required
[role demo]
services = sudo
requesters = op1
hosts = *
targets = root
auto_approve = simulated
reason = optional
[person op1]
[person appr1]
[person appr2]
[person deploy]
shared = yes
"""
SECRET = r"^jitk_([0-9a-f]+)_[A-Za-z0-9_-]{43}$"


class AdminCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="broker-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.broker = make_broker(self.folder, CONF)
        self.addCleanup(self.broker.stop)
        self.store = f"{self.folder}/broker.db"

    def admin(self, *args, status=0):
        done = self.broker.admin(*args, check=False)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout}{done.stderr}")
        return done

    def api(self, **who):
        api = Api(self.broker.port, f"{self.folder}/ca.pem", **who)
        self.addCleanup(api.close)
        return api

    def line_of(self, text):
        """The line of jit-broker.conf that begins with the text, as FILE:LINE."""
        with open(self.broker.conf, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return f"{self.broker.conf}:{next(i for i, line in enumerate(lines, 1) if line.startswith(text))}"

    def reconfigure(self, changes):
        with open(self.broker.conf, encoding="utf-8") as file:
            text = edit_ini(file.read(), changes)
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)


class SecretTest(AdminCase):
    """key and token: made once, listed without the secret, revoked at once."""

    def test_a_key_is_shown_once_works_and_ends_when_it_is_revoked(self):
        made = self.admin("key", "add", "web-1")
        self.assertRegex(made.stdout, SECRET)  # alone on standard output, so that it can be redirected to a file
        self.assertIn("shown once", made.stderr)
        key = made.stdout.strip()
        key_id = re.match(SECRET, made.stdout).group(1)
        self.assertNotIn(key, made.stderr)
        self.broker.start()
        self.assertEqual(self.api(key=key).get("/requests").status, 200)
        self.assertEqual(self.api(token=key).get("/requests").status, 401)  # a host's key is no person's token
        self.assertEqual(self.admin("key", "revoke", key_id).stdout, "")
        self.assertEqual(self.api(key=key).get("/requests").status, 403)
        again = self.admin("key", "revoke", key_id, status=1)
        self.assertIn(f"there is no valid one with the id {key_id}", again.stderr)
        for path in (self.store, f"{self.store}-wal"):
            with open(path, "rb") as file:
                self.assertNotIn(key.encode(), file.read())

    def test_two_keys_of_one_host_overlap_so_that_they_can_be_changed(self):
        old, new = (self.admin("key", "add", "web-1").stdout.strip() for _ in range(2))
        self.broker.start()
        self.admin("key", "revoke", old.split("_")[1])
        self.assertEqual(self.api(key=old).get("/requests").status, 403)
        self.assertEqual(self.api(key=new).get("/requests").status, 200)

    def test_list_names_owner_and_times_and_no_secret(self):
        key = self.admin("key", "add", "web-1").stdout.strip()
        gone = self.admin("key", "add", "web-2").stdout.strip()
        token = self.admin("token", "add", "appr1").stdout.strip()
        self.admin("key", "revoke", gone.split("_")[1])
        lines = self.admin("key", "list").stdout.splitlines()
        time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
        self.assertEqual(lines[0].split(), ["ID", "HOST", "MADE", "USED", "LAST", "STATE"])
        self.assertEqual(len(lines), 3)
        listed = {line.split()[0]: line for line in lines[1:]}
        self.assertRegex(listed[key.split("_")[1]], rf"^[0-9a-f]+ +web-1 +{time} +never +valid$")
        self.assertRegex(listed[gone.split("_")[1]], rf"^[0-9a-f]+ +web-2 +{time} +never +revoked {time}$")
        persons = self.admin("token", "list").stdout
        self.assertEqual(persons.splitlines()[0].split()[1], "PERSON")
        self.assertIn("appr1", persons)
        for secret in (key, gone, token):
            self.assertNotIn(secret.split("_", 2)[2], "\n".join(lines) + persons)

    def test_a_key_is_no_token_and_cannot_be_revoked_as_one(self):
        key_id = self.admin("key", "add", "web-1").stdout.split("_")[1]
        self.admin("token", "revoke", key_id, status=1)
        self.assertRegex(self.admin("key", "list").stdout.splitlines()[1], r" valid$")

    def test_who_cannot_own_one_gets_none(self):
        for owner in ("web 1", "../web", "a" * 64, "web\n1", ""):
            done = self.admin("key", "add", owner, status=1)
            self.assertEqual(done.stdout, "")
            self.assertIn("a host's name has up to 63", done.stderr)
        for owner, why in (("nobody", "is no [person] of"), ("deploy", "shared account")):
            done = self.admin("token", "add", owner, status=1)
            self.assertEqual(done.stdout, "")
            self.assertIn(why, done.stderr)

    def test_wrong_usage_is_told_apart(self):
        for command in (("key",), ("key", "add"), ("key", "add", "a", "b"), ("key", "list", "x"), ("key", "revoke"),
                        ("token", "make", "x"), ("audit",), ("audit", "verify", "x"), ("audit", "--all", "show"),
                        ("key", "--force", "list"), ("check", "x"), ("check", "--who", "op1")):
            done = self.admin(*command, status=2)
            self.assertEqual(done.stdout, "")
            self.assertIn(f"usage: jit-broker {command[0]}", done.stderr)
        self.assertIn("jit-broker key: unrecognized option '--force'", self.admin("key", "--force", "list", status=2).stderr)
        for command in (["frob"], ["--frob"], ["fr\x1bob"]):
            done = subprocess.run([built("jit-broker"), *command], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            said = command[0].replace("\x1b", "?")
            self.assertTrue(done.stderr.startswith(f"jit-broker: there is no such command: {said}\nusage: jit-broker "))
        for command in ("key", "token", "audit", "check"):
            done = subprocess.run([built("jit-broker"), command, "--help"], capture_output=True, text=True, timeout=20)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout.startswith(f"usage: jit-broker {command}"))

    def test_a_certificate_that_is_not_there_is_told_apart_from_one_that_is_none(self):
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        for path, why in (("/nonexistent/tls.crt", "cannot read /nonexistent/tls.crt: No such file or directory"),
                          (self.broker.conf, f"{self.broker.conf} holds no PEM certificate chain")):
            with open(self.broker.conf, "w", encoding="utf-8") as file:
                file.write(re.sub("(?m)^tls_certificate = .*$", f"tls_certificate = {path}", text))
            self.assertIn(f"tls_certificate: {why}", self.admin("check", status=1).stderr)

    def test_a_secret_that_cannot_be_shown_is_a_failure(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([self.broker.program, "key", "--config", self.broker.conf, "add", "web-1"],
                                  stdout=full, stderr=subprocess.PIPE, timeout=20)
        self.assertEqual(done.returncode, 1)

    @unittest.skipUnless(os.geteuid() == 0, "wants root")
    def test_a_store_that_root_makes_belongs_to_the_user_of_its_directory(self):
        os.mkdir(f"{self.folder}/state", 0o700)
        os.chown(f"{self.folder}/state", 65534, 65534)
        self.reconfigure({("broker", "store"): f"sqlite:{self.folder}/state/broker.db"})
        self.admin("key", "add", "web-1")
        for name in os.listdir(f"{self.folder}/state"):
            made = os.stat(f"{self.folder}/state/{name}")
            self.assertEqual((made.st_uid, made.st_gid, made.st_mode & 0o777), (65534, 65534, 0o600), name)


class CheckTest(AdminCase):
    def check(self, *args, status=0):
        return self.admin("check", *args, status=status).stdout

    def who(self, who, host, role, *more, status=0):
        return self.check("--who", who, "--host", host, "--role", role, *more, status=status)

    def test_a_configuration_in_order_is_counted_and_makes_no_store(self):
        self.assertEqual(self.check(), f"{self.broker.conf} is in order: 2 roles, 0 groups, 4 persons\n")
        self.assertFalse(os.path.exists(self.store))

    def test_every_error_is_told_with_its_line(self):
        self.reconfigure({("role admin", "colour"): "red", ("role demo", "hosts"): None})
        done = self.admin("check", status=1)
        self.assertEqual(done.stdout, "")
        self.assertIn(f"{self.line_of('colour')}: [role] has no key colour", done.stderr)
        self.assertIn(f"{self.line_of('[role demo]')}: role demo wants hosts", done.stderr)

    def test_every_file_that_would_be_missed_at_night_is_told_with_its_line(self):
        for name, mode in (("open", 0o644), ("empty", 0o600)):
            with open(f"{self.folder}/{name}", "w", encoding="ascii"):
                os.chmod(f"{self.folder}/{name}", mode)
        files = {"tls_key": ("none", "cannot read"), "issuer_credentials": ("empty", "must hold aws_access_key_id"),
                 "issuer_ca": ("none", "issuer_ca: cannot read"), "oidc_ca": ("none", "oidc_ca: cannot read"),
                 "oidc_client_secret_file": ("open", "holds a secret and can be read by everybody")}
        self.reconfigure({("broker", key): f"{self.folder}/{name}" for key, (name, _) in files.items()}
                         | {("broker", "issuer"): "sts:https://sts.example/", ("broker", "oidc_issuer"): "https://login.example",
                            ("broker", "oidc_client_id"): "jit",
                            ("broker", "oidc_redirect"): "https://jit.example/sign-in/oidc/answer"})
        done = self.admin("check", status=1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), len(files), done.stderr)
        for key, (name, why) in files.items():
            line = next(line for line in done.stderr.splitlines() if line.startswith(f"{self.line_of(key)}: "))
            self.assertIn(why, line)
            self.assertIn(f"{self.folder}/{name}", line)
        self.reconfigure({("broker", "tls_certificate"): f"{self.folder}/empty"})
        self.assertIn(f"{self.line_of('tls_certificate')}: tls_certificate: ", self.admin("check", status=1).stderr)

    def test_a_request_that_may_be_is_explained(self):
        text = self.who("op1", "web-1", "admin", "--duration", "1h")
        self.assertIn("allowed: op1 may ask for role admin on web-1, for 30 min\n", text)
        self.assertIn(f"the time is cut to max_duration ({self.line_of('max_duration')})\n", text)
        self.assertIn(f"who may approve it: appr1 appr2; 1 must ({self.line_of('approvers')})\n", text)
        self.assertIn(f"a reason will be asked for ({self.line_of('reason = required')})\n", text)
        self.assertIn("with simulateApproval it is approved without a person", self.who("op1", "x", "demo"))

    def test_who_would_approve_themselves_is_left_out(self):
        self.assertIn("who may approve it: appr2; 1 must", self.who("appr1", "web-1", "admin"))
        self.assertIn("who may approve it: appr1; 1 must", self.who("op1", "web-1", "admin", "--login-user", "appr2"))

    def test_a_refusal_names_its_rule_and_its_line(self):
        for args, code, line in ((("op2", "web-1", "admin"), "policy.requester", "requesters = op1 appr1"),
                                 (("op1", "db-1", "admin"), "policy.host", "hosts = web"),
                                 (("op1", "web-1", "admin", "--service", "su"), "policy.service", "services"),
                                 (("op1", "web-1", "admin", "--target", "bin"), "policy.target", "targets"),
                                 (("op1", "web-1", "admin", "--reason", ""), "policy.reason", "reason"),
                                 (("deploy", "web-1", "admin"), "policy.shared", "shared")):
            text = self.who(*args, status=1)
            self.assertTrue(text.startswith(f"refused, {code}: "), text)
            self.assertTrue(text.splitlines()[-1].startswith(f"decided by {self.line_of(line)}: {line}"), text)
        text = self.who("op1", "web-1", "nothing", status=1)
        self.assertTrue(text.startswith("refused, policy.role: ") and "decided by" not in text, text)
        self.who("op1", "web-1", "admin", "--duration", "soon", status=2)


class AuditTest(AdminCase):
    def fill(self):
        """A few records, those of an API call among them; returns them as show prints them."""
        key = self.admin("key", "add", "web-1").stdout.strip()
        self.broker.start()
        filing = {"requester": "op1", "role": "admin", "duration": 60, "publicKey": PUBLIC_KEY, "reason": "x\n\u00e9"}
        self.assertEqual(self.api(key=key).post("/request-access", filing).status, 200)
        self.admin("token", "add", "appr1")
        return self.admin("audit", "show").stdout.splitlines()

    def test_show_prints_a_record_a_line_and_verify_finds_it_whole(self):
        records = [json.loads(line) for line in self.fill()]
        self.assertEqual([record["seq"] for record in records], [1, 2, 3])
        self.assertEqual([record["action"] for record in records], ["secret.added", "request.filed", "secret.added"])
        self.assertEqual([record["actor"] for record in records], ["admin", "host:web-1", "admin"])
        self.assertEqual([record["prev"] for record in records[1:]], [record["hash"] for record in records[:2]])
        done = self.admin("audit", "verify")  # beside the serving broker
        self.assertEqual((done.stdout, done.stderr), ("the audit chain is whole: 3 records\n", ""))

    def test_verify_names_the_first_record_that_was_touched(self):
        self.fill()
        self.broker.stop()
        for change, seq in (("UPDATE audit SET text=replace(text,'web-1','web-9') WHERE seq=2", 2),
                            ("DELETE FROM audit WHERE seq=1", 1), ("DELETE FROM audit WHERE seq=3", 3)):
            with self.subTest(change):
                shutil.copy(self.store, f"{self.folder}/kept")
                with sqlite3.connect(self.store) as database:
                    database.execute("DROP TRIGGER audit_no_update")
                    database.execute("DROP TRIGGER audit_no_delete")
                    database.execute(change)
                database.close()
                done = self.admin("audit", "verify", status=1)
                self.assertTrue(done.stdout.startswith(f"the audit chain is broken: record {seq}: "), done.stdout)
                shutil.copy(f"{self.folder}/kept", self.store)
        self.admin("audit", "verify")

    def test_a_store_that_is_not_there_is_no_whole_chain(self):
        for command in (("audit", "verify"), ("audit", "show"), ("key", "list"), ("token", "revoke", "0" * 16)):
            done = self.admin(*command, status=1)
            self.assertEqual(done.stdout, "")
            self.assertIn(f"there is no store {self.store}", done.stderr)
            self.assertFalse(os.path.exists(self.store), command)

    def test_a_store_that_others_can_read_is_refused(self):
        self.admin("key", "add", "web-1")
        os.chmod(self.store, 0o640)
        self.assertIn(f"chmod 600 {self.store}", self.admin("audit", "verify", status=1).stderr)

    def test_what_could_not_be_printed_whole_is_a_failure(self):
        self.fill()
        for command in (("audit", "show"), ("audit", "verify"), ("key", "list")):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([self.broker.program, *command, "--config", self.broker.conf], stdout=full,
                                      stderr=subprocess.PIPE, timeout=20)
            self.assertEqual(done.returncode, 1, command)

    def test_a_broker_that_cannot_read_a_record_says_so(self):
        self.fill()
        self.broker.stop()
        with sqlite3.connect(self.store) as database:
            database.execute("UPDATE request SET doc='{}'")
        database.close()
        done = subprocess.run([self.broker.program, "serve", "--config", self.broker.conf], capture_output=True,
                              text=True, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the broker cannot start: a stored record cannot be read", done.stderr)


if __name__ == "__main__":
    unittest.main()
