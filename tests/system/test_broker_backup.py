"""Back-ups of the broker's store while it serves, restores, and stores of earlier versions brought forward; kills in the
middle of each."""

import glob
import json
import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import tempfile
import time
import unittest

import receivers
from brokerlib import Api, free_port, make_broker, new_secret
from lab import LabCase
from namespace import TREE
from terminal import wait_until
from test_broker_api import CONF, FILING

KILLS = 60 if os.environ.get("PAM_JIT_FULL") else 12


def schema_version():
    with open(os.path.join(TREE, "jit-broker/store_sqlite.c"), encoding="utf-8") as file:
        return int(re.search(r"#define SCHEMA_VERSION\s+(\d+)", file.read())[1])


class BackupCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="backup-")
        self.addCleanup(shutil.rmtree, self.folder)
        os.mkdir(f"{self.folder}/store")
        self.broker = make_broker(self.folder, CONF)
        self.store = f"{self.folder}/store/broker.db"
        self.configure(lambda text: text.replace(f"sqlite:{self.folder}/broker.db", f"sqlite:{self.store}"))
        self.addCleanup(self.broker.stop)

    def configure(self, change):
        with open(self.broker.conf, encoding="utf-8") as file:
            text = change(file.read())
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        self.key = new_secret(self.broker, "key", "add", "web-1")
        self.token = new_secret(self.broker, "token", "add", "appr1")
        self.broker.start()

    def api(self, **who):
        api = Api(self.broker.port, f"{self.folder}/ca.pem", **who)
        self.addCleanup(api.close)
        return api

    def run_command(self, *args, status=0):
        done = self.broker.admin(*args, check=False)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout}{done.stderr}")
        return done

    def whole(self):
        return self.run_command("audit", "verify").stdout

    def records(self):
        return [json.loads(line) for line in self.run_command("audit", "export").stdout.splitlines()]

    def beside(self, pattern):
        return sorted(os.path.basename(path) for path in glob.glob(f"{self.store}.{pattern}"))

    def fill(self, count):
        """A store that takes a while to copy."""
        with sqlite3.connect(self.store) as database:
            database.executemany("INSERT INTO event VALUES('web-1', ?, 4000000000)",
                                 ((f"{number}-{'x' * 400}",) for number in range(count)))
        database.close()

    def old_store(self):
        """The store that a broker with schema 2 left behind."""
        with open(os.path.join(TREE, "tests/system/store-schema-2.sql"), encoding="utf-8") as script:
            database = sqlite3.connect(self.store)
            database.executescript("PRAGMA journal_mode=WAL;" + script.read())
        database.close()
        os.chmod(self.store, 0o600)


class BackupTest(BackupCase):
    def test_a_backup_is_made_while_the_broker_serves_and_has_all_of_it(self):
        self.start()
        host, approver = self.api(key=self.key), self.api(token=self.token)
        filed = host.post("/request-access", FILING).json
        copy = f"{self.folder}/copy"
        said = self.run_command("backup", copy).stdout
        self.assertEqual(said, f"{copy} is made: 3 audit records, whole\n")
        self.assertEqual(os.stat(copy).st_mode & 0o777, 0o600)
        self.assertEqual(glob.glob(f"{copy}?*"), [])
        code = {"code": filed["code"]}
        self.assertEqual(approver.post(f"/requests/{filed['requestId']}/approve", code).status, 200)
        with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("SELECT id, status FROM request").fetchall(), [(filed["requestId"], 0)])
        database.close()

    def test_a_backup_overwrites_nothing(self):
        self.start()
        copy = f"{self.folder}/copy"
        self.run_command("backup", copy)
        self.assertIn(f"{copy} is there already", self.run_command("backup", copy, status=1).stderr)
        self.assertIn("cannot make ", self.run_command("backup", f"{self.folder}/no/copy", status=1).stderr)
        self.run_command("backup", status=2)

    def test_no_link_leads_a_backup_or_a_restore_elsewhere(self):
        self.start()
        copy, other, linked = (f"{self.folder}/{name}" for name in ("copy", "other", "linked"))
        for target in (other, "none"):
            with open(other, "w", encoding="ascii") as file:
                file.write("another's")
            os.symlink(target, copy)
            self.assertIn(f"{copy} is there already", self.run_command("backup", copy, status=1).stderr)
            os.unlink(copy)
            os.symlink(target, f"{copy}.partial")
            self.run_command("backup", copy)
            self.assertTrue(stat.S_ISREG(os.lstat(copy).st_mode))
            os.rename(copy, f"{linked}-to")
            with open(other, encoding="ascii") as file:
                self.assertEqual(file.read(), "another's")
            self.assertFalse(os.path.exists(f"{self.folder}/none"))
        self.broker.stop()
        os.symlink(f"{linked}-to", linked)
        before = self.records()
        self.assertIn(f"{linked} is a symbolic link", self.run_command("restore", linked, status=1).stderr)
        self.assertEqual(self.records(), before)

    def test_a_backup_of_a_broken_chain_says_so(self):
        self.start()
        with sqlite3.connect(self.store) as database:
            database.execute("DROP TRIGGER audit_no_update")
            database.execute("UPDATE audit SET text=replace(text,'web-1','web-9') WHERE seq=1")
        database.close()
        said = self.run_command("backup", f"{self.folder}/copy", status=1).stderr
        self.assertIn("is broken: record 1: ", said)
        self.assertIn("the back-up is made all the same", said)
        self.assertTrue(os.path.exists(f"{self.folder}/copy"))

    def test_a_killed_backup_leaves_a_whole_one_or_none(self):
        self.start()
        self.fill(20000)
        seen = set()
        for _ in range(KILLS):
            copy = f"{self.folder}/copy"
            child = subprocess.Popen([self.broker.program, "backup", copy, "--config", self.broker.conf],
                                     stdout=subprocess.DEVNULL, cwd="/")
            time.sleep(random.uniform(0, 0.15))  # the instant is the test
            child.kill()
            child.wait(10)
            seen.add(os.path.exists(copy))
            if os.path.exists(copy):
                with sqlite3.connect(copy) as database:
                    self.assertEqual(database.execute("SELECT count(*) FROM event").fetchone(), (20000,))
                database.close()
                os.unlink(copy)
        self.run_command("backup", f"{self.folder}/copy")
        self.assertEqual(glob.glob(f"{self.folder}/*.partial"), [])
        self.assertIn("whole", self.whole())
        self.assertEqual(self.api(key=self.key).get("/requests").status, 200)


class RestoreTest(BackupCase):
    def backed_up(self):
        """A broker with a request that waits and a grant that lives, backed up; later one more, and a revoked key."""
        self.start()
        host, approver = self.api(key=self.key), self.api(token=self.token)
        waiting = host.post("/request-access", FILING).json
        granted = host.post("/request-access", FILING).json
        approver.post(f"/requests/{granted['requestId']}/approve", {"code": granted["code"]})
        self.assertEqual(host.post(f"/requests/{granted['requestId']}/credentials").status, 200)
        self.second = new_secret(self.broker, "key", "add", "web-2")
        self.copy = f"{self.folder}/copy"
        self.run_command("backup", self.copy)
        self.run_command("key", "revoke", self.second.split("_")[1])
        later = host.post("/request-access", FILING).json
        for _ in range(3):  # the host hears of more than the back-up knows
            more = host.post("/request-access", FILING).json
            approver.post(f"/requests/{more['requestId']}/deny")
        self.cursor = host.get("/changes").json["next"]
        self.anchor = self.run_command("audit", "anchor").stdout.strip()
        return waiting, granted, later

    def test_a_restore_is_refused_while_the_broker_runs(self):
        self.backed_up()
        said = self.run_command("restore", self.copy, status=1).stderr
        self.assertIn("is in use: stop the broker first (systemctl stop jit-broker)", said)
        self.assertEqual(self.beside("re*"), [])
        self.assertEqual(self.api(key=self.key).get("/requests").status, 200)

    def test_who_was_signed_in_at_the_page_signs_in_again(self):
        """Whoever signed out since the back-up, or was shown the door, would be in again."""
        self.backed_up()
        self.broker.stop()
        with sqlite3.connect(self.copy) as database:
            database.execute("INSERT INTO session VALUES('x', 'appr1', 'oidc', 'y', 1, 9999999999)")
        database.close()
        self.run_command("restore", self.copy)
        with sqlite3.connect(f"file:{self.store}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("SELECT count(*) FROM session").fetchone(), (0,))
        database.close()

    def test_what_was_open_ends_and_what_was_revoked_stays_so(self):
        waiting, granted, later = self.backed_up()
        self.broker.stop()
        said = self.run_command("restore", self.copy).stdout
        self.assertIn("2 open requests and grants ended; 1 key and token revoked since stays so", said)
        self.broker.start()
        host = self.api(key=self.key)
        # The host asks on with the cursor that it had, which this store never gave out.
        page = host.get(f"/changes?after={self.cursor}&wait=5").json
        changed = {change["requestId"]: change["status"] for change in page["changes"]}
        self.assertEqual(changed, {waiting["requestId"]: "CANCELLED", granted["requestId"]: "REVOKED"})
        refused = host.post(f"/requests/{granted['requestId']}/credentials")
        self.assertEqual((refused.status, refused.json["error"]), (403, "grant.revoked"))
        self.assertEqual(host.get(f"/requests/{later['requestId']}").status, 404)
        self.assertEqual(self.api(key=self.second).get("/requests").status, 403)
        self.assertEqual(host.post("/request-access", FILING).status, 200)
        # Each is a transition of its own in a chain that is whole, and that an anchor from before does not fit.
        ends = [(record["action"], record.get("requestId"), record["actor"]) for record in self.records()][-4:-1]
        self.assertEqual(ends[0], ("store.restored", None, "admin"))
        self.assertEqual(set(ends[1:]), {("request.cancelled", waiting["requestId"], "admin"),
                                         ("request.revoked", granted["requestId"], "admin")})
        self.assertIn("cut off", self.run_command("audit", "verify", "--anchor", self.anchor, status=1).stdout)

    def test_what_was_delivered_since_the_back_up_is_told_again_only_where_nobody_knows(self):
        """The back-up has a notification that waits; the store from before has delivered it, and holds a later one."""
        hook = receivers.Webhook(lambda call, handler: 200)
        self.addCleanup(hook.close)
        away = f"http://127.0.0.1:{free_port()}/"
        receivers.make_secret(f"{self.folder}/hook.secret")
        self.configure(lambda text: text.replace("issuer = demo\n", "issuer = demo\nurl = https://jit.example\n"
                       "notify_retry = 1s\nnotify_retry_max = 1s\n") + f"[webhook chat]\nurl = {away}\nplain_loopback = yes\n"
                       f"secret = {self.folder}/hook.secret\n")
        waiting, _, _ = self.backed_up()
        self.broker.stop()
        self.configure(lambda text: text.replace(away, hook.url()))
        self.broker.start()
        wait_until("all is told", lambda: not self.waiting(), 10)
        self.broker.stop()
        told = {call.id for call in hook.taken()}
        self.assertIn((waiting["requestId"], "request.filed"), {call.event() for call in hook.taken()})
        self.assertIn("3 notifications delivered since are not sent again", self.run_command("restore", self.copy).stdout)
        again = self.told_by(hook)
        self.assertEqual({event for _, event in again.values()}, {"request.cancelled", "request.revoked"})
        self.assertFalse(told & set(again))
        for path in glob.glob(f"{self.store}*"):
            os.unlink(path)
        new_secret(self.broker, "key", "add", "web-9")  # another store, which never had any of it
        self.assertNotIn("delivered", self.run_command("restore", self.copy).stdout)
        again = self.told_by(hook)
        self.assertEqual(len(told & set(again)), 3)  # under the ids that they had

    def waiting(self):
        return self.run_command("notify", "list").stdout.splitlines()[1:]

    def told_by(self, hook):
        """{delivery: (request, event)} of what the restored broker tells."""
        before = len(hook.taken())
        self.broker.start()
        wait_until("all is told", lambda: not self.waiting(), 10)
        self.broker.stop()
        return {call.id: call.event() for call in hook.taken()[before:]}

    def test_the_store_from_before_is_kept_whole(self):
        _, _, later = self.backed_up()
        self.broker.stop(kill=True)  # its last transactions lie in the journal
        kept = self.run_command("restore", self.copy).stdout.splitlines()[-1].split()[-1]
        self.assertTrue(kept.startswith(f"{self.store}.replaced."), kept)
        with sqlite3.connect(f"file:{kept}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("SELECT count(*) FROM request WHERE id=?", (later["requestId"],)).fetchone(),
                             (1,))
        database.close()
        self.assertEqual(os.stat(self.store).st_mode & 0o777, 0o600)

    def test_a_restore_on_a_new_machine_needs_no_store(self):
        self.backed_up()
        self.broker.stop()
        shutil.rmtree(f"{self.folder}/store")
        os.mkdir(f"{self.folder}/store")
        self.assertIn("keys and tokens that were may work again", self.run_command("restore", self.copy).stdout)
        self.assertEqual(self.beside("replaced*"), [])
        self.broker.start()
        self.assertEqual(self.api(key=self.key).get("/requests").json, {"requests": []})

    def test_a_store_that_cannot_say_what_was_revoked_is_told_apart(self):
        self.backed_up()
        self.broker.stop()
        self.assertNotIn("may work again", self.run_command("restore", self.copy).stdout)
        for name in self.beside("db-*"):
            os.unlink(f"{self.folder}/store/{name}")
        with open(self.store, "r+b") as store:
            store.write(os.urandom(os.fstat(store.fileno()).st_size))
        said = self.run_command("restore", self.copy).stdout
        self.assertIn("0 keys and tokens revoked since stay so\nthere was no whole store to ask what was revoked since: keys "
                      "and tokens that were may work again; look through 'jit-broker key list'", said)
        self.assertEqual([record["detail"]["revoked"] for record in self.records() if record["action"] == "store.restored"],
                         ["0 or more"])
        self.broker.start()
        self.assertEqual(self.api(key=self.second).get("/requests").status, 200)  # which is what was said

    def test_what_is_no_whole_backup_changes_nothing(self):
        self.backed_up()
        self.broker.stop()
        before = self.records()
        forged, junk, newer = (f"{self.folder}/{name}" for name in ("forged", "junk", "newer"))
        shutil.copy(self.copy, forged)
        shutil.copy(self.copy, newer)
        for path, change in ((forged, "UPDATE audit SET text=replace(text,'web-1','web-9') WHERE seq=1"),
                             (newer, "PRAGMA user_version=999")):
            with sqlite3.connect(path) as database:
                database.execute("DROP TRIGGER audit_no_update")
                database.execute(change)
            database.close()
        with open(junk, "wb") as file:
            file.write(os.urandom(8192))
        for path, why in ((forged, "is broken: record 1"), (junk, "not a database"), (newer, "newer jit-broker"),
                          (f"{self.folder}/none", "No such file")):
            self.assertIn(why, self.run_command("restore", path, status=1).stderr)
        self.assertEqual(self.records(), before)
        self.assertEqual(self.beside("re*"), [])

    def test_a_killed_restore_leaves_one_store_or_the_other(self):
        self.start()
        self.fill(10000)
        copy = f"{self.folder}/copy"
        self.run_command("backup", copy)
        self.broker.stop()
        for _ in range(KILLS):
            child = subprocess.Popen([self.broker.program, "restore", copy, "--config", self.broker.conf],
                                     stdout=subprocess.DEVNULL, cwd="/")
            time.sleep(random.uniform(0, 0.2))
            child.kill()
            child.wait(10)
            self.assertIn("whole", self.whole())
        self.run_command("restore", copy)
        self.broker.start()
        self.assertEqual(self.api(key=self.key).get("/requests").status, 200)


class MigrationTest(BackupCase):
    """tests/system/store-schema-2.sql is what a broker with that schema wrote."""

    old_key = "jitk_5669eee1dae75833_rmNdlCgKpQBvsov0kI0FepTHb8p-3jHhGVn0MhLTMMs"

    def test_a_store_of_schema_2_is_copied_and_brought_forward(self):
        self.old_store()
        self.assertIn("whole: 9 records", self.whole())
        kept = self.beside("schema-2.*")
        self.assertEqual(len(kept), 1)
        self.assertRegex(kept[0], r"^broker\.db\.schema-2\.\d{8}T\d{6}Z$")
        self.assertEqual(os.stat(f"{self.folder}/store/{kept[0]}").st_mode & 0o777, 0o600)
        for path, version in ((self.store, schema_version()), (f"{self.folder}/store/{kept[0]}", 2)):
            with sqlite3.connect(path) as database:
                self.assertEqual(database.execute("PRAGMA user_version").fetchone(), (version,))
            database.close()
        self.whole()
        self.assertEqual(self.beside("schema-*"), kept)  # brought forward once
        self.broker.start()
        self.assertEqual(self.api(key=self.old_key).get("/requests").status, 200)

    def test_no_more_than_three_copies_are_kept(self):
        self.old_store()
        for day in range(1, 6):
            with open(f"{self.store}.schema-1.2026010{day}T000000Z", "w", encoding="ascii"):
                pass
        self.whole()
        kept = self.beside("schema-*")
        self.assertEqual(kept[:2], ["broker.db.schema-1.20260104T000000Z", "broker.db.schema-1.20260105T000000Z"])
        self.assertEqual(len(kept), 3)

    def test_without_room_for_the_copy_nothing_is_changed(self):
        self.old_store()
        done = subprocess.run(["unshare", "-m", "sh", "-c",
                               'mount -t tmpfs -o size=400k none "$1" && cp "$2" "$1/broker.db" && chmod 600 "$1/broker.db" '
                               '&& "$3" audit verify --config "$4"; ls "$1"', "sh", f"{self.folder}/store",
                               shutil.copy(self.store, f"{self.folder}/old.db"), self.broker.program, self.broker.conf],
                              capture_output=True, text=True, timeout=20)
        self.assertIn("make room", done.stderr)
        self.assertEqual([name for name in done.stdout.split() if "schema" in name], [])

    def test_a_killed_migration_leaves_the_store_as_it_was_or_brought_forward(self):
        self.old_store()
        self.fill(10000)
        old = f"{self.folder}/old.db"
        shutil.copy(self.store, old)
        versions = set()
        for _ in range(KILLS):
            for path in glob.glob(f"{self.store}*"):
                os.unlink(path)
            shutil.copy(old, self.store)
            child = subprocess.Popen([self.broker.program, "key", "list", "--config", self.broker.conf],
                                     stdout=subprocess.DEVNULL, cwd="/")
            time.sleep(random.uniform(0, 0.12))
            child.kill()
            child.wait(10)
            with sqlite3.connect(self.store) as database:
                versions.add(database.execute("PRAGMA user_version").fetchone()[0])
            database.close()
            self.assertIn("whole: 9 records", self.whole())
            self.assertGreaterEqual(len(self.beside("schema-2.*Z")), 1)
        self.assertLessEqual(versions, {2, schema_version()})

    def test_a_store_that_cannot_be_brought_forward_says_why(self):
        self.old_store()
        with sqlite3.connect(self.store) as database:
            database.execute("CREATE TABLE outbox(made BLOB)")  # which schema 4 makes
        database.close()
        said = self.run_command("key", "list", status=1).stderr
        self.assertIn(f"cannot use the store {self.store}: table outbox already exists", said)
        self.assertIn("malformed database schema", self.damaged())
        self.assertIn("attempt to write a readonly database", self.read_only())
        for size, why in ((16, "disk I/O error: No space left on device"), (60, "database or disk is full")):
            with self.subTest(size):
                self.assertIn(f"cannot use the store {self.store}: {why}", self.on_disk_of(size))

    def damaged(self):
        with sqlite3.connect(self.store) as database:
            database.execute("PRAGMA writable_schema=1")
            database.execute("UPDATE sqlite_master SET sql='CREATE nothing' WHERE name='request'")
        database.close()
        return self.run_command("key", "list", status=1).stderr

    def read_only(self):
        """What is said of a store of schema 2 whose file alone cannot be written."""
        os.unlink(self.store)
        self.old_store()
        return self.in_mounts('cp -a "$1" "$1.now" && mount --bind "$1.now" "$1" && mount -o remount,ro,bind "$1" && '
                              '"$2" key list --config "$3"')

    def on_disk_of(self, kilobytes):
        """What is said where a store is made and that is all the room there is."""
        return self.in_mounts(f'mount -t tmpfs -o size={kilobytes}k none "${{1%/*}}" && "$2" key add web-1 --config "$3"')

    def in_mounts(self, script):
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", self.store, self.broker.program, self.broker.conf],
                              capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr

    def test_a_newer_store_is_refused(self):
        self.start()
        self.broker.stop()
        with sqlite3.connect(self.store) as database:
            database.execute("PRAGMA user_version=999")
        database.close()
        self.assertIn("written by a newer jit-broker (schema 999", self.run_command("audit", "verify", status=1).stderr)


class HostTest(LabCase):
    def test_a_restore_ends_an_elevated_session_of_a_real_host(self):
        copy = "/var/lib/jit-broker/copy"
        terminal = self.open_terminal()
        request = self.ask(terminal, "sudo -s")
        self.approve(request)
        terminal.expect(r"root@\S+# $")
        terminal.child.sendline("PS1='op1:$?$ '; unset PROMPT_COMMAND")
        terminal.child.expect_exact("\r\n")
        terminal.child.expect(terminal.prompt)
        self.assertEqual(terminal.run("jit credentials >/dev/null")[0], 0)
        self.lab.broker.admin("backup", copy)
        self.lab.broker.stop()
        said = self.lab.broker.admin("restore", copy).stdout
        self.assertIn("1 open request and grant ended", said)
        self.lab.broker.start()
        # It was appr1 who approved it, and not appr1 who ended it.
        terminal.expect(rf"request {request[0]}, role admin: revoked by admin: the broker was restored from a back-up")
        wait_until("the helper hears that the grant is revoked",
                   lambda: terminal.run("jit credentials >/dev/null")[0] != 0, 30)
        self.assertIn("holds no grant", terminal.run("jit status")[1])
        terminal.run("exit")


if __name__ == "__main__":
    unittest.main()
