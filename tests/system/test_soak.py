"""A long day of sessions in a few minutes: sudo with fresh requests (approved, denied, given up, timed out) and under live
grants, logins over ssh, renewals, revokes, `jit end`, grants that run out, then restarts and kills of both daemons. Each
piece of their heaps is counted: of a kind of visit that leaves one behind, whatever its size, they would have one more after
each round of a person. Their memory stays where it was when they were warm, and when everybody has left nothing is left.

With --full thousands of sessions; else some dozens, and resident memory with a generous bound. What was measured stands in the
suite's log and in docs/reliability.md."""

import glob
import itertools
import json
import os
import re
import statistics
import threading
import time
import unittest

import brokerlib
import footprint
import heap
import sshlab
from doors import role
from lab import HELPER_STATE, WAITING, Lab, LabCase, read
from terminal import wait_until

FULL = bool(os.environ.get("PAM_JIT_FULL"))
WORKERS = 3 if FULL else 2
SECONDS = int(os.environ.get("PAM_JIT_SOAK_SECONDS", "240")) if FULL else 0  # of the first part; at least ROUNDS
ROUNDS = 12 if FULL else 3
PAIRS, ROUNDS_MOST = (10, 200) if FULL else (3, 8)  # samples that can be compared; rounds until there are so many of them
RESTARTS = 3 if FULL else 1
UNDER_A_GRANT = 25 if FULL else 2  # sudos, or logins, that ask nobody
KEEPERS = 5 if FULL else 1
LIFETIME = 3  # seconds of a set of credentials
SHORT = 2  # seconds that a grant of `quick` lasts
COUNTED = not os.environ.get("PAM_JIT_SAN")  # AddressSanitizer has a heap of its own
KINDS = {"pieces": heap.count, "bytes": heap.size, "secret bytes": lambda found: found["secure"]}
# More in use, a round of one person: of what one visit leaves behind it would be 1; 16 bytes that are asked for are 24 of the heap.
# A piece that grows is not told from one that is larger by chance where there are few moments.
MORE_MOST = {"pieces": 0.5, "bytes": 12 if FULL else 64, "secret bytes": 12}
LOOKS = 20  # within two seconds; the one in the middle counts
# Bytes of what `jit request` is told, which is kept for an hour, and how many of one person: 32 that are over, and the latest,
# with which there may be one too many until the next. What a block has left over that is too small to be another one, 16
# bytes, the heap gives along.
TOLD, TOLD_MOST = {3048, 3064}, 33
PAGE, PAGES_MOST = range(4200, 4600), 512  # bytes of a page that SQLite keeps, with what it says of it: 2 MiB of them
NOISE = 240 << 10  # bytes: a heap takes some pages more whenever more happens at one moment than ever before
MOST = {"helper": 10 << 20, "broker": 40 << 20}  # bytes of their own memory
WAL_MOST = 8 << 20  # bytes: SQLite begins it anew from 4 MiB on
STOP = "/run/lab/soak-over"
CONNECTIONS = 12  # over TCP, of a host whose workers come and go
KEPT = 8  # connections of the helper to the broker that wait for the next call
UNDECIDED = 10  # exit status of `jit request`
BEFORE = 1500 if FULL else 0  # requests of the time before, so that SQLite has all the memory that it will take (2 MiB)
HELD = ("PENDING", "APPROVED", "ACTIVE")
TOKENS = "grep -c pam_jit:token /proc/keys"
BANNER = re.compile(r"request (\w{4}-\w{4}), code (\d\d)")


class Approver:
    """The second person, on a connection that is kept, and made anew after a restart of the broker."""

    def __init__(self, lab):
        self.lab, self.api = lab, None

    def post(self, request, what, body):
        for last in (False, True):
            self.api = self.api or brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", token=self.lab.tokens["appr1"])
            try:
                answer = self.api.post(f"/requests/{request}/{what}", body)
                break
            except OSError:
                self.close()
                if last:
                    raise
        if answer.status != 200:
            raise AssertionError(f"{what} {request}: {answer.status} {answer.body!r}")

    def approve(self, request):
        self.post(request[0], "approve", {"code": request[1]})

    def close(self):
        if self.api:
            self.api.close()
        self.api = None


class Worker:
    """Goes through all kinds of visits, each in a login session of its own."""

    _sources = itertools.count(1)

    def __init__(self, case, user):
        self.case, self.lab, self.user, self.sessions = case, case.lab, user, 0
        self.approver = Approver(case.lab)

    def terminal(self):
        return self.lab.terminal(self.user, environment={"JIT_REASON": "disk full"})

    @staticmethod
    def ask(terminal, command):
        terminal.start(command)
        shown = terminal.expect(WAITING)
        return shown[1], shown[2]

    def finish(self, terminal, status):
        self.sessions += 1
        got, text = terminal.finish()
        if (got == 0) != (status == 0):
            raise AssertionError(f"exit status {got} instead of {status}: {text}")
        return text

    def elevate(self, terminal):
        """A root shell that has credentials: the request."""
        request = self.ask(terminal, "sudo sh")
        self.approver.approve(request)
        self.finish(terminal, 0)
        got, text = terminal.run("jit credentials | wc -l")
        if (got, text) != (0, "1\n"):
            raise AssertionError(f"no credentials: {text}")
        got, text = terminal.run(TOKENS)
        if (got, text) != (0, "1\n"):
            raise AssertionError(f"the root shell's keyring has not one token: {text}")
        return request[0]

    def leave(self, terminal):
        """Only who is in a session sees what its keyring holds."""
        terminal.run("exit")
        got, text = terminal.run(TOKENS)
        if (got, text) != (1, "0\n"):
            raise AssertionError(f"a token is left in the login's keyring: {text}")

    # The visits

    def a_grant_that_is_used_and_given_back(self, terminal):
        self.elevate(terminal)
        self.leave(terminal)
        status, text = terminal.run(f"for i in $(seq {UNDER_A_GRANT}); do sudo true || echo lost; done", timeout=60)
        if (status, text) != (0, ""):
            raise AssertionError(f"under a live grant: {text}")
        self.sessions += UNDER_A_GRANT
        status, text = terminal.run("jit end")
        if status:
            raise AssertionError(f"jit end: {text}")

    def one_that_is_revoked(self, terminal):
        request = self.elevate(terminal)
        self.approver.post(request, "revoke", {"comment": "enough"})
        terminal.run("while jit credentials >/dev/null 2>&1; do sleep 0.1; done")
        self.leave(terminal)

    def one_that_runs_out(self, terminal):
        self.approver.approve(self.ask(terminal, "sudo -i true"))
        self.finish(terminal, 0)

    def denied(self, terminal):
        request = self.ask(terminal, "sudo id")
        self.approver.post(request[0], "deny", {"comment": "not now"})
        self.finish(terminal, 1)

    def given_up(self, terminal):
        self.ask(terminal, "sudo id")
        terminal.interrupt()
        self.finish(terminal, 1)

    def timed_out(self, terminal):
        self.ask(terminal, "JIT_ROLE=hasty sudo id")
        self.finish(terminal, 1)

    def hung_up(self, terminal):
        self.ask(terminal, "sudo id")
        terminal.hang_up()
        self.sessions += 1

    def asked_ahead(self, terminal):
        for command, expected in (("jit request --role admin --reason later", UNDECIDED), ("jit end", 0)):
            status, text = terminal.run(command)
            if status != expected:
                raise AssertionError(f"{command}: {text}")

    def logins(self, terminal):
        """One approval, many connections from one address."""
        number = next(self._sources)
        options = ("BatchMode=yes", f"BindAddress=127.1.{number >> 8}.{number & 255}")

        def log_in():
            self.sessions += 1
            return self.case.sshd.run("web-1", "true", options=options, who=self.user)

        said = log_in()[2].decode()
        request = BANNER.search(said)
        if not request:
            raise AssertionError(f"no request: {said}")
        self.approver.approve((request[1], request[2]))
        wait_until("the helper knows", lambda: request[1] in self.case.held())
        for _ in range(max(1, UNDER_A_GRANT // 5)):
            status, _, errors = log_in()
            if status:
                raise AssertionError(f"a login under a live grant: {errors.decode()}")
        self.approver.post(request[1], "revoke", {"comment": "enough"})

    def round(self):
        for visit in (self.a_grant_that_is_used_and_given_back, self.one_that_is_revoked, self.one_that_runs_out,
                      self.denied, self.given_up, self.timed_out, self.hung_up, self.asked_ahead, self.logins):
            terminal = self.terminal()
            try:
                visit(terminal)
            except AssertionError as error:
                raise AssertionError(f"{visit.__name__}: {error}") from None
            finally:
                terminal.close()


class Soak(LabCase):
    broker_conf = {**role("admin", services="sudo", targets="root", credential_lifetime=f"{LIFETIME}s"),
                   **role("quick", services="sudo-i", targets="root", credential_lifetime=f"{LIFETIME}s"),
                   **role("hasty", services="sudo", targets="root", pending="1s"),
                   **role("ssh", services="sshd", targets="self", reason="optional", scope="user")}
    helper_conf = {("service sudo-i", "role"): "quick", ("service sudo-i", "duration"): f"{SHORT}s",
                   ("service sshd", "role"): "ssh", ("service sshd", "duration"): "15m"}

    @classmethod
    def setUpClass(cls):
        lab = Lab.here()
        cls.heaps = {name: heap.Heap(f"/run/lab/{name}.heap") for name in ("helper", "broker") if COUNTED}
        if COUNTED:
            lab.helper_environment = cls.heaps["helper"].environment
            lab.broker.environment = cls.heaps["broker"].environment
        super().setUpClass()
        cls.lab.set_pam(service="sudo-i", example="sudo-i")
        cls.lab.set_pam(service="sshd", example="sshd")
        sshlab.make_keys(cls.lab, "op1", "op2")
        cls.sshd = sshlab.Sshd(cls.lab, "sshd", AuthenticationMethods="publickey", KbdInteractiveAuthentication="no")
        cls.addClassCleanup(cls.sshd.stop)
        cls.sshd.start()

    def setUp(self):
        self.samples, self.kept, self.workers, self.keepers = [], [], [], []

    # What is looked at

    def pids(self):
        return {"helper": self.lab.helper.pid, "broker": self.lab.broker.process.pid}

    @staticmethod
    def state():
        return json.loads(read(HELPER_STATE))

    def held(self):
        """Grants in the helper's hands, of which the keepers have one each."""
        return [grant["shortId"] for grant in self.state()["grants"]]

    @property
    def sessions(self):
        return sum(worker.sessions for worker in self.workers)

    def rest(self):
        """Waits until what runs out by itself has, and looks."""
        wait_until(f"{len(self.keepers)} grants are left", lambda: len(self.held()) == len(self.keepers), 30)
        sample = {name: footprint.take(pid) for name, pid in self.pids().items()}
        store = {path.rsplit("db", 1)[-1] or "store": os.path.getsize(path)
                 for path in glob.glob("/var/lib/jit-broker/broker.db*")}
        self.samples.append({"sessions": self.sessions, **sample, "files": {**store,
                             "state": os.path.getsize(HELPER_STATE)}})
        print(json.dumps(self.samples[-1]), flush=True)

    def count(self):
        """What each has in use of its heap, but for what is known to grow to its own bound."""
        looks = {name: [] for name in self.pids()}
        for _ in range(LOOKS):
            for name, pid in self.pids().items():
                looks[name].append({**self.heaps[name].take(), "connections": footprint.connections(pid)})
            time.sleep(0.1)  # a call more or less, such as a renewal or between two polls, has no end to wait for
        found = {name: sorted(seen, key=heap.count)[LOOKS // 2] for name, seen in looks.items()}
        found["helper"] = heap.without(found["helper"], TOLD, TOLD_MOST * len({worker.user for worker in self.workers}))
        if not FULL:  # there all of them are taken before
            found["broker"] = heap.without(found["broker"], PAGE, PAGES_MOST)
        self.kept.append(found)
        print(json.dumps({name: {"connections": found[name]["connections"], "pieces": heap.count(found[name]),
                                 "bytes": heap.size(found[name]), "secret": found[name]["secure"]} for name in found}),
              flush=True)

    def pairs(self):
        """(before, after, rounds of one person between them) of samples that can be compared: of as many connections, each
        of which takes some three hundred pieces. The first one is not warm."""
        return [(before, after, WORKERS * (later - earlier))
                for (earlier, before), (later, after) in itertools.combinations(list(enumerate(self.kept))[1:], 2)
                if all(before[name]["connections"] == after[name]["connections"] for name in before)]

    # What is done

    def fill_the_store(self):
        """Another host's requests, that nobody is interested in any more."""
        key = self.lab.broker.admin("key", "add", "web-2").stdout.strip().splitlines()[-1]
        host = brokerlib.Api(8443, "/etc/pam-jit/broker-ca.pem", key=key)
        filing = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": brokerlib.PUBLIC_KEY,
                  "service": "sudo", "target": "root", "reason": "disk full", "command": "/usr/bin/id"}
        for _ in range(BEFORE):
            request = self.patient(lambda: host.post("/request-access", filing))["requestId"]
            self.patient(lambda: host.post(f"/requests/{request}/cancel"))
        host.close()

    @staticmethod
    def patient(call):
        """The document that answers; where calls are counted (429) it is made again."""
        answer = wait_until("the usage plan has room", lambda: (said := call()).status != 429 and said, 30, 0.2)
        if answer.status != 200:
            raise AssertionError(f"{answer.status} {answer.body!r}")
        return answer.json

    def keep(self, worker):
        """A session that lasts, and asks for its credentials each second: they are renewed all the time."""
        terminal = worker.terminal()
        self.addCleanup(terminal.close)
        worker.elevate(terminal)
        terminal.run(f"while [ ! -e {STOP} ]; do jit credentials >/dev/null 2>&1; sleep 1; done &")
        self.keepers.append(terminal)

    def all_at_once(self, workers):
        """A round of each of them."""
        failed = []

        def work(worker):
            try:
                worker.round()
            except Exception as error:  # of a thread: told below
                failed.append(f"{worker.user}: {type(error).__name__}: {error}")

        threads = [threading.Thread(target=work, args=(worker,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def restart(self, how):
        """The helper ends while somebody waits, who is refused; the broker while nobody does."""
        daemon, kill = how
        if daemon == "broker":
            self.lab.broker.stop(kill=kill)
            return self.lab.broker.start()
        worker, terminal = self.workers[0], self.workers[0].terminal()
        worker.ask(terminal, "sudo id")
        self.lab.stop_helper(kill=kill)
        worker.finish(terminal, 1)
        terminal.close()
        return self.lab.start_helper()

    def leave(self):
        """Everybody goes home."""
        open(STOP, "w", encoding="ascii").close()
        for terminal in self.keepers:
            terminal.run("wait; exit")
            status, text = terminal.run("jit end")
            self.assertEqual(status, 0, text)
            terminal.close()
        self.keepers = []
        for worker in self.workers:
            worker.approver.close()

    # What must hold

    def growth(self):
        """{daemon: {what: more in use after each round of a person}}, by pairs of moments with as much to do: with --full, where
        there are many, the one in the middle; else that at a third. (Something is made once for all now and then.)"""
        pairs = self.pairs()
        return {name: {what: sorted((of(after[name]) - of(before[name])) / rounds
                                    for before, after, rounds in pairs)[len(pairs) // (2 if FULL else 3)]
                       for what, of in KINDS.items()} for name in self.pids()}

    def counted_enough(self):
        """Most of the few pairs of the short tier may have something that comes and goes; what stays does in those that follow."""
        return len(self.pairs()) >= PAIRS and (FULL or all(
            more[what] < MORE_MOST[what] for more in self.growth().values() for what in more))

    def assert_nothing_kept(self):
        """Between two moments of as much to do there is no piece more for each round of a person."""
        pairs = self.pairs()
        self.assertGreaterEqual(len(pairs), PAIRS, "too few moments with as many connections")
        for name, more in self.growth().items():
            last = self.kept[-1][name]
            print(f"{name}: {', '.join(f'{of(last)} {what}' for what, of in KINDS.items())} in use; more after each round of a "
                  f"person, by {len(pairs)} pairs of moments: {more}; from {MORE_MOST} on it is a leak", flush=True)
            before, after, rounds = max(pairs, key=lambda pair: pair[2])
            changes = heap.changes(before[name], after[name])
            for what in KINDS:
                self.assertLess(more[what], MORE_MOST[what], f"{name} keeps {more} more after each round of a person; pieces by "
                                f"size, in {rounds} rounds: {changes}")

    def assert_flat(self):
        """The line through what was measured in the second half (of the short form's few moments: after the first third) does
        not rise, over its length, by more than the points lie off it."""
        later = self.samples[len(self.samples) // (2 if FULL else 3):]
        at = [sample["sessions"] for sample in later]
        for name in self.pids():
            own = [sample[name]["own"] for sample in later]
            line = statistics.linear_regression(at, own)
            off = statistics.pstdev(y - line.slope * x - line.intercept for x, y in zip(at, own))
            grown = line.slope * (at[-1] - at[0])
            bound = max(4 * off, NOISE) if FULL else 1 << 20
            print(f"{name}: own memory {statistics.median(own) / 1024:.0f} KiB, {grown / 1024:+.0f} KiB in {at[-1] - at[0]} "
                  f"sessions ({1000 * line.slope / 1024:+.1f} KiB a thousand), bound {bound / 1024:.0f} KiB", flush=True)
            self.assertLessEqual(grown, bound, f"{name}: its own memory grows: {own}")
            self.assertLess(max(sample[name]["own"] for sample in self.samples), MOST[name])
            self.assertLess(max(sample[name]["connections"] for sample in self.samples), CONNECTIONS)
            for what in ("descriptors", "threads"):
                counts = [sample[name][what] for sample in later]
                self.assertLessEqual(max(counts[len(counts) // 2:]), max(counts[:len(counts) // 2]),
                                     f"{name}: {what} grow: {counts}")
        self.assertLess(max(sample["files"].get("-wal", 0) for sample in self.samples), WAL_MOST)
        states = [sample["files"]["state"] for sample in later]
        self.assertLess(max(states) - min(states), 4096, f"the helper's state grows: {states}")

    def assert_nothing_left(self, before):
        wait_until("the helper has nothing", lambda: not any(
            value for value in self.state().values() if isinstance(value, list)), 15)
        self.assertEqual([request for status in HELD for request in self.lab.ask_broker(
            f"/requests?status={status}", self.lab.tokens["appr1"])["requests"]], [])

        def as_before():
            now = {name: footprint.take(pid) for name, pid in self.pids().items()}
            return all(now[name]["descriptors"] == before[name]["descriptors"] and now[name]["connections"] <= KEPT and
                       now[name]["threads"] == before[name]["threads"] for name in now)

        try:
            wait_until("descriptors are as many as before", as_before, 15)
        except AssertionError as error:
            raise AssertionError(f"{error}; before {before}; now "
                                 f"{({name: footprint.descriptors(pid) for name, pid in self.pids().items()})}") from None
        for name, pid in self.pids().items():
            self.assertEqual(footprint.children(pid), {}, f"{name} has children")
        sockets = [line for line in read("/proc/net/unix").splitlines() if "/run/pam-jit/" in line]
        self.assertEqual(len(sockets), 2, sockets)  # those that listen

    def test_a_day_of_sessions_leaves_memory_and_descriptors_as_they_were(self):
        before = {name: footprint.take(pid) for name, pid in self.pids().items()}
        self.workers = [Worker(self, ("op1", "op2")[number % 2]) for number in range(WORKERS)]
        for number in range(KEEPERS):
            self.keep(self.workers[number % WORKERS])
        self.fill_the_store()
        began = time.monotonic()
        while len(self.samples) < ROUNDS or time.monotonic() - began < SECONDS or (
                COUNTED and not self.counted_enough() and len(self.samples) < ROUNDS_MOST):
            self.all_at_once(self.workers)
            self.rest()
            if COUNTED:
                self.count()
        seconds = time.monotonic() - began
        print(f"{self.sessions} sessions in {seconds:.0f} s", flush=True)
        with self.subTest("kept"):
            self.assert_nothing_kept()
        with self.subTest("flat"):
            self.assert_flat()
        warm = self.samples[-1]
        for how in [(daemon, kill) for daemon in self.pids() for kill in (False, True)] * RESTARTS:
            self.restart(how)
            self.all_at_once(self.workers if FULL else self.workers[:1])
            self.rest()
            for name in self.pids():  # what was taken up again is no more than what was there
                self.assertLess(self.samples[-1][name]["own"], warm[name]["own"] + (2 << 20), name)
        self.leave()
        self.assert_nothing_left(before)


if __name__ == "__main__":
    unittest.main()
