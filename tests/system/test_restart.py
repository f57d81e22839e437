"""The helper ends in the middle of everything, politely or not, and another one takes its place: elevated sessions go on,
whoever waits is refused, and nobody gets what the broker did not give."""

import collections
import contextlib
import json
import os
import pwd
import re
import resource
import select
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import brokerlib
import frames
from lab import HELPER_STATE, PAM_SOCKET, LabCase, read, write
from namespace import die_with_parent
from terminal import wait_until

STATE = "/run/pam-jit/state"
FILE = HELPER_STATE
GENEROUS = 10
REFUSED, UNAVAILABLE = 3, 4
PASSING = 1  # exit status of a helper whose start can be tried again
KILLS = 100 if os.environ.get("PAM_JIT_FULL") else 10
WORKERS = 3
RSS_MAX = 60  # MiB


class RestartCase(LabCase):
    def restart_helper(self, kill):
        self.lab.stop_helper(kill=kill)
        self.lab.start_helper()

    def elevated(self, terminal):
        """A root shell in the terminal: its request."""
        request = self.ask(terminal, "sudo -s")
        self.approve(request)
        terminal.expect(r"root@\S+# $")
        terminal.child.sendline("PS1='op1:$?$ '; unset PROMPT_COMMAND")
        terminal.child.expect_exact("\r\n")
        terminal.child.expect(terminal.prompt)
        return request

    def hush_broker(self, away):
        """It takes connections and says nothing, or is not there at all."""
        if away:
            self.lab.broker.stop()
            self.addCleanup(self.lab.broker.start)
        else:
            broker = self.lab.broker.process.pid
            os.kill(broker, signal.SIGSTOP)
            self.addCleanup(os.kill, broker, signal.SIGCONT)

    def status(self, terminal):
        return json.loads(terminal.run("jit status --json")[1])


class Sessions(RestartCase):
    def test_an_elevated_session_goes_on(self):
        for kill in (True, False):
            with self.subTest(kill=kill):
                terminal, other = self.open_terminal(), self.open_terminal()
                self.elevated(terminal)
                self.assertEqual(terminal.run("jit credentials >/dev/null"), (0, ""))
                self.lab.stop_helper(kill=kill)
                status, text = terminal.run("jit credentials")
                self.assertEqual(status, UNAVAILABLE, text)
                self.assertRegex(text, r"^jit: cannot reach jit-helper \(.*\): is it running on this host\?\n$")
                self.lab.start_helper()
                status, text = terminal.run("jit credentials")
                self.assertEqual(status, 0, text)
                self.assertEqual(json.loads(text)["Version"], 1)
                self.assertEqual(other.run("jit credentials >/dev/null")[0], REFUSED)
                terminal.run("exit")

    def test_a_grant_that_lives_asks_nobody_afterwards(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        before = self.status(terminal)["grants"][0]
        for kill in (True, False):
            with self.subTest(kill=kill):
                self.restart_helper(kill)
                self.assert_asks_nobody(terminal, "sudo id")
        after = self.status(terminal)["grants"][0]
        self.assertLessEqual(after.pop("remaining"), before.pop("remaining"))
        for each in (before, after):
            each.pop("credentials")
        self.assertEqual(after, before)
        self.assertEqual(self.lab.request(short)["status"], "ACTIVE")

    def test_an_elevation_that_ended_meanwhile_is_not_taken_up(self):
        terminal = self.open_terminal()
        self.sleep_elevated(terminal)
        self.lab.stop_helper(kill=True)
        terminal.interrupt()
        terminal.finish()
        self.lab.start_helper()
        self.assertEqual(self.status(terminal)["grants"][0]["elevations"], 0)

    def test_an_elevation_that_goes_on_is_heard_to_end(self):
        terminal = self.open_terminal()
        self.sleep_elevated(terminal)
        self.restart_helper(True)
        terminal.interrupt()
        terminal.finish()
        wait_until("the elevation has ended", lambda: self.status(terminal)["grants"][0]["elevations"] == 0, GENEROUS)

    def start_short(self, descriptors):
        """What a helper with so few of them says and ends with; None where it serves."""
        def poor():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        before = len(read(self.lab.log("jit-helper")))
        with open(self.lab.log("jit-helper"), "ab") as out:
            helper = subprocess.Popen(["/usr/sbin/jit-helper"], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      preexec_fn=poor, cwd="/")
        said = lambda: read(self.lab.log("jit-helper"))[before:]
        wait_until("it serves or ends", lambda: helper.poll() is not None or "jit-helper " in said(), GENEROUS)
        if helper.poll() is None and " serves; " in said():
            helper.kill()
            helper.wait()
            return None
        return helper.wait(GENEROUS), said()

    def test_a_helper_that_is_short_of_descriptors_leaves_it_all_to_the_next_start(self):
        terminal = self.open_terminal()
        self.elevated(terminal)
        most = len(os.listdir(f"/proc/{self.lab.helper.pid}/fd"))
        self.lab.stop_helper(kill=True)
        for descriptors in range(most, most - 16, -1):
            kept = read(FILE)  # one that serves writes it
            ended = self.start_short(descriptors)
            if ended and "cannot go on with the grants and elevations of this host (Too many open files)" in ended[1]:
                break
        self.assertEqual((ended[0], read(FILE)), (PASSING, kept), ended[1])  # its unit tries again
        self.lab.start_helper()
        self.assertEqual(terminal.run("jit credentials >/dev/null"), (0, ""))
        terminal.run("exit")

    def test_what_was_revoked_meanwhile_gives_nothing(self):
        terminal = self.open_terminal()
        request = self.elevated(terminal)
        self.lab.stop_helper(kill=True)
        self.lab.as_approver("appr1", "revoke", request[0])
        self.lab.start_helper()
        wait_until("the credentials are refused", lambda: terminal.run("jit credentials >/dev/null 2>&1")[0] == REFUSED,
                   2.0)
        terminal.run("exit")

    def test_what_was_revoked_meanwhile_is_held_no_longer(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.stop_helper(kill=True)
        self.lab.as_approver("appr1", "revoke", short)
        self.lab.start_helper()
        wait_until("nothing is held", lambda: terminal.run("jit status >/dev/null")[0] == 1, 2.0)
        self.ask(terminal)
        terminal.interrupt()
        terminal.finish()

    def test_an_outage_of_the_broker_takes_no_grant_away(self):
        for away, limit in ((True, 2.0), (False, 5.0)):
            with self.subTest(away=away):
                terminal = self.open_terminal()
                self.run_approved(terminal)
                self.lab.stop_helper(kill=True)
                self.hush_broker(away)
                self.lab.start_helper()
                status, text = terminal.run("sudo id", timeout=limit)
                self.assertEqual(status, 0, text)
                self.doCleanups()

    def test_a_login_session_that_ended_meanwhile_ends_its_grant(self):
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.stop_helper(kill=True)
        terminal.close()
        self.lab.start_helper()
        self.lab.wait_for_status(short, "ENDED")

    def test_a_use_that_no_broker_heard_of_is_recorded_after_the_restart(self):
        for kill in (True, False):
            with self.subTest(kill=kill):
                terminal = self.open_terminal()
                text = terminal.run("jit request --role admin")[1]
                request = re.search(r"(\w{4}-\w{4}) +code (\d+)", text)
                self.approve((request[1], request[2]))
                wait_until("it is held", lambda: self.status(terminal)["grants"], GENEROUS)
                self.lab.broker.stop()
                self.assertEqual(terminal.run("sudo true")[0], 0)
                self.assertEqual(terminal.run("jit end")[0], 0)
                self.lab.stop_helper(kill=kill)
                self.lab.broker.start()
                self.lab.start_helper()
                self.lab.wait_for_status(request[1], "ENDED")
                wait_until("nothing is left to tell", lambda: not json.loads(read(FILE))["withdrawals"], GENEROUS)
                whole = self.lab.request(request[1])["requestId"]
                actions = [record["action"] for record in self.lab.records() if record.get("requestId") == whole]
                self.assertEqual(actions[-2:], ["grant.started", "grant.ended"])

    def test_whoever_waits_is_refused_and_the_request_withdrawn(self):
        for kill in (False, True):
            with self.subTest(kill=kill):
                terminal = self.open_terminal()
                request = self.ask(terminal)
                self.restart_helper(kill)
                status, text = terminal.finish()
                self.assertNotEqual(status, 0)
                self.assertRegex(text, r"jit: \w")
                self.lab.wait_for_status(request[0], "CANCELLED")

    def sleep_elevated(self, terminal):
        self.approve(self.ask(terminal, "sudo sh -c 'echo on:$$; exec sleep 300'"))
        terminal.expect(r"on:\d+")
        wait_until("the elevation is kept", lambda: json.loads(read(FILE))["elevations"], GENEROUS)


class Unused(RestartCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        frames.log_in_here("op1")

    def test_an_approval_that_nobody_has_used_yet_is_kept(self):
        short = self.approved()
        self.restart_helper(kill=True)
        with frames.Module() as module:
            module.ask(frames.ELEVATE)
            self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
            module.send(frames.frame(frames.TAKEN))
        self.assertEqual(self.lab.request(short)["status"], "APPROVED")
        self.lab.as_approver("appr1", "revoke", short)
        wait_until("it is over here", lambda: short not in read(FILE), GENEROUS)

    def test_an_elevation_that_was_closed_is_none_after_a_kill_though_its_process_lives_on(self):
        short = self.approved()
        with frames.Module() as module:
            module.ask(frames.OPEN, TARGET="root")
            token = module.expect(frames.VERDICT)[frames.TOKEN]
            module.send(frames.frame(frames.TAKEN))
            wait_until("it is kept", lambda: json.loads(read(FILE))["elevations"], GENEROUS)
            module.send(frames.frame(frames.CLOSE))
            self.assertEqual(module.recv(1), b"")
            self.assertEqual(self.asks_for_credentials(token), frames.FAULT)
            self.lab.stop_helper(kill=True)
        self.assertEqual(json.loads(read(FILE))["elevations"], [])
        self.lab.start_helper()
        self.assertEqual(self.asks_for_credentials(token), frames.FAULT)
        self.lab.as_approver("appr1", "revoke", short)
        wait_until("it is over here", lambda: short not in read(FILE), GENEROUS)

    def asks_for_credentials(self, token):
        with frames.Module(frames.SESSION_SOCKET) as peer:
            peer.send(frames.frame(frames.CREDENTIALS, TOKEN=token))
            return frames.parse(peer.recv(16384))[0]

    def test_what_was_revoked_meanwhile_lets_nobody_in_before_the_broker_was_heard(self):
        short = self.approved()
        self.lab.stop_helper(kill=True)
        self.lab.as_approver("appr1", "revoke", short)
        self.hush_broker(away=False)
        self.lab.start_helper()
        with frames.Module() as module:
            module.ask(frames.ELEVATE)
            self.assertEqual(select.select([module], [], [], 0.5)[0], [], "answered, and nobody was asked")
            os.kill(self.lab.broker.process.pid, signal.SIGCONT)
            module.expect(frames.WAITING)

    def test_an_elevation_that_is_taken_while_the_helper_stops_is_kept(self):
        """The module does not wait to be heard: its session goes on, and is to be known and ended as any other."""
        short = self.approved()
        log = self.lab.log("jit-helper")
        said = len(read(log))
        with frames.Module() as module:
            module.ask(frames.OPEN, TARGET="root")
            self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
            os.kill(self.lab.helper.pid, signal.SIGTERM)
            wait_until("it stops", lambda: "stopping: " in read(log)[said:], GENEROUS)
            module.send(frames.frame(frames.TAKEN))
            self.lab.stop_helper()
        self.assertEqual(len(json.loads(read(FILE))["elevations"]), 1)
        self.lab.start_helper()
        self.lab.as_approver("appr1", "revoke", short)
        wait_until("it is over here", lambda: short not in read(FILE), GENEROUS)

    def approved(self):
        """An approval that was let in under, and is not used yet: its short id."""
        with frames.Module() as module:
            module.ask(frames.ELEVATE)
            words = module.expect(frames.WAITING)[frames.TEXT].decode().replace(",", "").split()
            self.approve((words[1], words[3].rstrip(":")))
            self.assertEqual(module.expect(frames.VERDICT)[frames.OUTCOME], bytes(4))
            module.take()
        wait_until("the grant is kept", lambda: os.path.exists(FILE) and words[1] in read(FILE), GENEROUS)
        return words[1]


class State(RestartCase):
    """The file."""

    def test_it_is_the_helpers_alone_and_holds_no_secret(self):
        terminal = self.open_terminal()
        self.elevated(terminal)
        document = json.loads(terminal.run("jit credentials")[1])
        owner = pwd.getpwnam("_jit").pw_uid
        for path, mode in ((STATE, 0o40700), (FILE, 0o100600)):
            status = os.stat(path)
            self.assertEqual((status.st_uid, status.st_mode), (owner, mode))
        text = read(FILE)
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            self.assertNotIn(document[name], text)
        status, token = terminal.run("keyctl pipe $(keyctl search @s user pam_jit:token) | od -An -tx1 -v | tr -d ' \\n'")
        self.assertEqual((status, len(token.strip())), (0, 64), token)
        self.assertNotIn(token.strip(), text)
        self.assertEqual(os.listdir(STATE), ["helper.json"])
        terminal.run("exit")

    def on_a_small_disk(self, size="64k"):
        """The folder, as a file system of its own."""
        self.lab.stop_helper()
        owner = pwd.getpwnam("_jit")
        options = f"size={size},mode=0700,uid={owner.pw_uid},gid={owner.pw_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", STATE], check=True)
        self.addCleanup(self.lab.start_helper)
        self.addCleanup(subprocess.run, ["umount", STATE], check=True)
        self.addCleanup(self.lab.stop_helper)
        self.lab.start_helper()

    def fill_disk(self):
        filler = f"{STATE}/filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        return filler

    def test_what_a_full_disk_kept_from_being_written_is_written_once_there_is_room(self):
        self.on_a_small_disk()
        filler = self.fill_disk()
        begin = len(read(self.lab.log("jit-helper")))
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.wait_for_status(short, "ACTIVE")
        self.assertFalse(os.path.exists(FILE) and short in read(FILE))
        os.unlink(filler)
        wait_until("it is written", lambda: os.path.exists(FILE) and short in read(FILE), GENEROUS)
        self.assertEqual(os.listdir(STATE), ["helper.json"])
        log = read(self.lab.log("jit-helper"))[begin:]
        self.assertEqual(log.count(f"cannot write {FILE}: No space left on device; trying again"), 1, log)
        self.assertEqual(log.count(f"{FILE} is written again"), 1, log)
        self.lab.stop_helper(kill=True)
        self.lab.start_helper()
        self.assert_asks_nobody(terminal, "sudo id")

    def test_who_ends_before_there_is_room_says_what_that_means(self):
        self.on_a_small_disk()
        self.fill_disk()
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.wait_for_status(short, "ACTIVE")
        begin = len(read(self.lab.log("jit-helper")))
        self.lab.stop_helper()
        log = read(self.lab.log("jit-helper"))[begin:]
        self.assertIn(f"{FILE} could not be written in the end either: No space left on device; the next jit-helper",
                      log)
        self.lab.start_helper()
        self.assertEqual(terminal.run("jit status")[0], 1)  # nobody is let in under what was not kept
        self.lab.wait_for_status(short, "ENDED")

    def spoil(self, change):
        """A grant, a helper that ends, and a changed file: nothing is taken up from it."""
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.wait_for_status(short, "ACTIVE")
        self.lab.stop_helper(kill=True)
        change()
        before = len(read(self.lab.log("jit-helper")))
        self.lab.start_helper()
        wait_until("the log says so", lambda: re.search("the state in .* is passed over",
                                                       read(self.lab.log("jit-helper"))[before:]), GENEROUS)
        self.assertEqual(terminal.run("jit status")[0], 1)
        self.lab.wait_for_status(short, "ENDED")

    def rewrite(self, change):
        text = read(FILE)
        changed = change(text)
        self.assertNotEqual(changed, text)
        with open(FILE, "w", encoding="utf-8") as file:
            file.write(changed)

    def test_a_state_of_another_boot_is_passed_over(self):
        boot = read("/proc/sys/kernel/random/boot_id").strip()
        self.spoil(lambda: self.rewrite(lambda text: text.replace(boot, "0" + boot[1:] if boot[0] != "0" else "1" + boot[1:])))

    def test_a_state_that_was_cut_off_is_passed_over(self):
        self.spoil(lambda: self.rewrite(lambda text: text[:-20]))

    def test_a_state_that_others_may_write_is_passed_over(self):
        self.spoil(lambda: os.chmod(FILE, 0o666))

    def test_a_state_of_somebody_else_is_passed_over(self):
        self.spoil(lambda: os.chown(FILE, pwd.getpwnam("op1").pw_uid, -1))

    def test_a_link_in_its_place_is_passed_over(self):
        def change():
            os.rename(FILE, "/run/lab/elsewhere.json")
            os.symlink("/run/lab/elsewhere.json", FILE)

        self.spoil(change)

    def test_a_process_that_only_has_the_number_is_not_taken_for_it(self):
        """The start time of everything is another one: pids that were given anew."""
        terminal = self.open_terminal()
        short, _ = self.run_approved(terminal)
        self.lab.wait_for_status(short, "ACTIVE")
        self.lab.stop_helper(kill=True)
        self.rewrite(lambda text: re.sub(r'"leaderStart":(\d+)', lambda m: f'"leaderStart":{int(m[1]) - 1}', text))
        self.lab.start_helper()
        self.lab.wait_for_status(short, "ENDED")

    def test_a_folder_that_is_not_the_helpers_keeps_it_from_starting(self):
        self.lab.stop_helper()
        os.chmod(STATE, 0o755)
        try:
            with contextlib.suppress(AssertionError):  # it listens before it looks at its folder
                self.lab.start_helper()
            wait_until("it has ended", lambda: self.lab.helper.poll() is not None, GENEROUS)
            self.assertRegex(read(self.lab.log("jit-helper")), "state_dir .* must be a folder of _jit with mode 0700")
        finally:
            os.chmod(STATE, 0o700)
            self.lab.helper = None
            self.lab.start_helper()


class Approver:
    """Decides whatever waits, over the broker's API: approves two of three, denies the third."""

    def __init__(self, lab):
        self.lab, self.denied, self.decided, self.over = lab, set(), set(), False
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.context = brokerlib.trusting("/etc/pam-jit/broker-ca.pem")
        self.thread.start()

    def decide(self, request_id):
        deny = len(self.decided) % 3 == 2
        self.decided.add(request_id)
        if deny:
            self.denied.add(request_id)
        request = urllib.request.Request(
            f"https://broker.example:8443/requests/{request_id}/{'deny' if deny else 'approve'}", b"{}",
            {"Authorization": f"Bearer {self.lab.tokens['appr1']}", "Content-Type": "application/json"}, method="POST")
        try:
            urllib.request.urlopen(request, context=self.context, timeout=10).close()
        except urllib.error.HTTPError:  # withdrawn meanwhile
            self.denied.discard(request_id)

    def work(self):
        while not self.over:
            try:
                for request in self.lab.pending():
                    self.decide(request["requestId"])
            except (OSError, ssl.SSLError):
                pass
            time.sleep(0.03)

    def end(self):
        self.over = True
        self.thread.join()


class Stopping(LabCase):
    def test_told_to_stop_as_soon_as_it_listens_it_stops_in_good_order(self):
        for _ in range(10):
            self.lab.stop_helper()
            if os.path.exists(PAM_SOCKET):
                os.unlink(PAM_SOCKET)
            helper = subprocess.Popen(["/usr/sbin/jit-helper"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      preexec_fn=die_with_parent, cwd="/")
            wait_until("it listens", lambda: os.path.exists(PAM_SOCKET), step=0)
            helper.terminate()
            self.assertEqual(helper.wait(10), 0)


class UnderLoad(RestartCase):
    broker_conf = {("role admin", "code"): "off"}

    def work(self, terminal, until, seen):
        """One person's sudos: some under a grant that lives, some that ask."""
        turn = 0
        while not until.is_set():
            command = "sudo sh -c 'echo $JIT_REQUEST_ID >>/run/lab/ran; jit credentials >/dev/null 2>&1; echo read:$?'"
            status, text = terminal.run(command, timeout=60)
            seen.append((status, "read:0" in text))
            turn += 1
            if turn % 4 == 0:
                terminal.run("jit end >/dev/null 2>&1", timeout=30)

    def test_killed_and_started_again_and_again_it_gives_no_more_than_the_broker(self):
        if os.path.exists("/run/lab/ran"):
            os.unlink("/run/lab/ran")
        self.serve_anew()  # what another test's sessions had open is no part of the measure
        base = self.descriptors()
        approver = Approver(self.lab)
        self.addCleanup(approver.end)
        orphan = self.open_terminal()
        self.leave_an_orphan(orphan)
        until, seen, workers = threading.Event(), [], []
        for i in range(WORKERS):
            terminal = self.open_terminal(("op1", "op2")[i % 2])
            workers.append(threading.Thread(target=self.work, args=(terminal, until, seen), daemon=True))
            workers[-1].start()
        for turn in range(KILLS):
            reached = len(seen)
            wait_until("somebody gets on", lambda reached=reached: len(seen) > reached, 60)
            self.restart_helper(kill=turn % 3 != 2)
        wait_until("sudo works after the last time", lambda: seen and seen[-1][0] == 0, 60)
        until.set()
        for worker in workers:
            worker.join(90)
            self.assertFalse(worker.is_alive())
        approver.end()
        self.check_verdicts(approver, seen)
        self.assertFalse(os.path.exists("/run/lab/got"), "an orphan of an elevation that was over got credentials")
        self.check_leaks(base)

    def serve_anew(self):
        """Returns when it serves: it takes connections before it has looked at its folders."""
        log = self.lab.log("jit-helper")
        self.lab.stop_helper()
        said = len(read(log))
        self.lab.start_helper()
        wait_until("the helper serves", lambda: " serves; " in read(log)[said:], GENEROUS)

    def leave_an_orphan(self, terminal):
        write("/run/lab/orphan", "( sleep 1; while :; do jit credentials >/dev/null 2>&1 && echo got >>/run/lab/got; "
              "echo tried >/run/lab/tried; sleep 0.1; done ) </dev/null >/dev/null 2>&1 &\n", 0o755)
        while terminal.run("sudo sh /run/lab/orphan", timeout=60)[0] != 0:
            pass
        wait_until("the orphan tries", lambda: os.path.exists("/run/lab/tried"), GENEROUS)

    def check_verdicts(self, approver, seen):
        ran = set(read("/run/lab/ran").split())
        self.assertTrue(ran)
        self.assertEqual(ran & approver.denied, set(), "denied, and ran")
        for request_id in ran:
            self.assertEqual(self.lab.request(request_id).get("decidedBy"), "appr1", request_id)
        self.assertTrue(any(got for _, got in seen), "credentials were read meanwhile")

    def descriptors(self):
        """What each of the helper's descriptors is; those to the broker aside, which come and go."""
        folder = f"/proc/{self.lab.helper.pid}/fd"
        found = []
        for name in os.listdir(folder):
            try:
                found.append(os.readlink(f"{folder}/{name}"))
            except OSError:
                continue
        internet = read("/proc/net/tcp")
        return sorted(each.split(":")[0] for each in found
                      if not (each.startswith("socket:[") and f" {each[8:-1]} " in internet))

    def more_than(self, base):
        """Those that it has now and had not then, when there may have been what only begins and ends with a start."""
        return collections.Counter(self.descriptors()) - collections.Counter(base)

    def check_leaks(self, base):
        """The last helper, once its terminals are closed, is as small as the first."""
        self.doCleanups()
        wait_until("every grant is over", lambda: json.loads(read(FILE))["grants"] == [], 20)
        try:
            wait_until("every descriptor is closed", lambda: not self.more_than(base), 20)
        except AssertionError:
            self.assertEqual(self.descriptors(), base)
        self.assertEqual(os.listdir(STATE), ["helper.json"])
        if not os.environ.get("PAM_JIT_SAN"):
            rss = int(re.search(r"VmRSS:\s+(\d+) kB", read(f"/proc/{self.lab.helper.pid}/status"))[1])
            self.assertLess(rss, RSS_MAX * 1024)
