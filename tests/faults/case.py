"""One cell: the phase is brought about, the fault put, the phase gone through, the fault taken away; then all that must
hold in every cell is looked at, and what the matrix says of this one."""

import collections
import contextlib
import glob
import json
import os
import re
import time
import unittest
import urllib.error
import urllib.request

import npm
from brokerlib import new_secret, trusting
from lab import HELPER_STATE, LabCase, read, write
from namespace import HOSTNAME
from processes import state_of
from stscase import FULL
from terminal import wait_until

from . import matrix
from .phases import CALL, LIFETIME, LOOKS, PATIENT, PHASES, RECOVERY, SLACK, TIMEOUT, TOKEN, lay_barrier
from .victims import VICTIMS, Rig, added_to

# Seconds.
LASTS = {"stop": 30 if FULL else 4, "clock_forward": LOOKS + 1, "clock_back": LOOKS + 1}
MET = 10  # seconds that the first may take who meets a fault
UNMET = 1  # and that it stands for those who would meet it where nobody is to
SETTLE = 40  # seconds until nothing of a cell is left
CACHED = 6  # connections to the broker or STS that may be kept for later
FINAL = {"request.denied", "request.expired", "request.cancelled", "request.revoked", "request.failed", "grant.ended"}


class FaultCase(LabCase):
    """The host for cells: suite.py makes a test of each."""

    rig = None
    call = CALL

    @classmethod
    def why_not(cls):
        """Why none of these cells can be run here, or nothing."""
        return os.environ.get("PAM_JIT_SAN") and "sanitizers bear neither a preloaded clock nor a limit of memory"

    def setUp(self):
        if self.lacking:
            self.skipTest(self.lacking)

    @classmethod
    def setUpClass(cls):
        cls.lacking = cls.why_not()  # each cell says so
        if cls.lacking:
            return
        super().setUpClass()
        cls.lab.stop()
        if FaultCase.rig is None:
            FaultCase.rig = Rig(cls.lab)
        cls.set_up()

    @classmethod
    def set_up(cls):
        cls.lab.set_pam(account=f"timeout={TIMEOUT}", session=f"timeout={TIMEOUT}")
        cls.lab.set_pam(account=f"timeout={PATIENT}", session=f"timeout={TIMEOUT}", service="sudo-i")
        lay_barrier(cls.lab)
        cls.calm = None  # what each daemon has open when nothing happens, and the helper's files then
        cls.begin({**cls.rig.conf_of_broker(), ("role admin", "credential_lifetime"): f"{LIFETIME}s"},
                  {**cls.rig.conf_of_helper(), ("helper", "broker_timeout"): f"{cls.call}s"})

    @classmethod
    def begin(cls, broker, helper):
        cls.lab.restart(broker, helper)

    def daemons(self):
        return {"helper": self.lab.helper, "broker": self.lab.broker.process}

    def open_terminal(self, *args, **how):
        self.terminals.append(super().open_terminal(*args, **how))
        return self.terminals[-1]

    # A cell

    def run_cell(self, victim, fault, phase):
        expected = matrix.CELLS[victim, fault, phase]
        self.fault = fault
        if type(self).calm is None:
            self.use_it_once()
            type(self).calm = {name: descriptors(process) for name, process in self.daemons().items()}
            type(self).files = helpers_files()
        self.terminals, self.processes = [], processes()
        began = self.last_record()
        before = self.daemons()
        doing = PHASES[phase](self, expected)
        doing.before()
        logs = [added_to(self.lab.log(name)) for name in ("jit-helper", "jit-broker")]
        put = VICTIMS[victim](self.rig).put(fault)
        try:
            doing.during()
            met = self.see_it_met(put, expected, logs)
        finally:
            died = self.recover(before, put.clear)
        doing.after()
        said, logged = (ours(doing.said), ours(doing.other)), "".join(added() for added in logs)
        print(f"{victim} {fault} {phase}: {doing.came!r} {met=} {died=} {said!r}", flush=True)
        self.check(doing, began)
        self.assertTrue(expected.fits(doing.came, said, logged),
                        f"{doing.came}: {said!r}; expected {expected.options}; the logs say: {logged}")

    def see_it_met(self, put, expected, logs):
        """A fault that nobody meets is none: it is met while it stands and its cause is written, or the phase has nothing
        to ask there."""
        if expected.asked:
            wait_until("somebody meets the fault", put.met, MET, 0.05)
        else:
            time.sleep(UNMET)
        met = put.met()
        self.assertEqual(met > 0, expected.asked, f"the fault was met {met} times")
        if self.fault == "kill":
            return met  # whoever comes after it says so
        pieces = [piece for option in expected.options for piece in option.log]
        wait_until(f"the logs say one of {pieces}",
                   lambda: any(piece in added() for piece in pieces for added in logs), MET, 0.05)
        return met

    def keep_the_fault(self, began):
        """It lasts whether or not somebody waits for it."""
        time.sleep(max(0, began + LASTS.get(self.fault, 0) - time.monotonic()))

    def recover(self, before, clear):
        """The fault is taken away, and what it has ended is started as systemd would: who that was."""
        died = {name: process.poll() for name, process in before.items() if process.poll() is not None}
        clear()
        now = self.daemons()
        if "broker" in died and now["broker"] is before["broker"]:
            self.lab.broker.start()
        if "helper" in died and now["helper"] is before["helper"]:
            self.lab.start_helper()
        if self.fault != "kill":
            signals = {name: status for name, status in died.items() if status < 0}
            self.assertEqual(signals, {}, "it was ended by a signal")
        return died

    def use_it_once(self):
        """What must always work: asked, approved, root, over."""
        with self.lab.terminal("op1", environment={"JIT_REASON": "all is well"}) as terminal:
            short, _ = self.run_approved(terminal)
        return short

    # What must hold in every cell

    def check(self, doing, began):
        self.check_no_token_is_left()
        self.doCleanups()  # every terminal is closed
        wait_until("the broker can use its store", self.store_is_well, RECOVERY, 0.1)
        short = self.use_it_once()
        doing.tell(short, "request.approved")
        doing.allowed[short] = "all is well"
        self.check_nothing_is_left()
        self.check_the_chain(doing, began)
        self.check_descriptors()

    def store_is_well(self):
        context = trusting("/etc/pam-jit/broker-ca.pem")
        try:
            with urllib.request.urlopen("https://broker.example:8443/healthz", context=context, timeout=10) as answer:
                return answer.status == 200
        except urllib.error.HTTPError as error:
            return json.load(error)["store"] == "ok"

    def check_nothing_is_left(self):
        def left():
            return {status: self.lab.ask_broker(f"/requests?status={status}", self.lab.tokens["appr1"])["requests"]
                    for status in ("PENDING", "APPROVED", "ACTIVE")}

        wait_until("no request and no grant is left at the broker", lambda: not any(left().values()), SETTLE, 0.1)
        wait_until("the helper holds nothing", self.helper_is_empty, SETTLE)
        self.settles("processes are left", self.new_processes, {})
        self.settles("the helper's files are those of before", helpers_files, self.files)

    def settles(self, what, look, expected):
        with contextlib.suppress(AssertionError):
            wait_until(what, lambda: look() == expected, SLACK)
        self.assertEqual(look(), expected, what)

    def new_processes(self):
        """Of all on this host, whoever started them; a daemon that was started again is none."""
        daemons = [*self.daemons().values(), self.rig.sts, self.rig.table and self.rig.table.process]
        expected = {*self.processes, *(process.pid for process in daemons if process)}
        return {pid: name for pid, name in processes().items() if pid not in expected}

    def check_no_token_is_left(self):
        """In the keyring of a login session that goes on after its elevation: only who is in it sees what it holds. One
        that sudo made for itself is gone with sudo's processes."""
        for terminal in self.terminals:
            if not terminal.child.closed:
                status, keys = terminal.run("cat /proc/keys", SLACK)
                self.assertEqual(status, 0, keys)
                self.assertNotIn(TOKEN, keys)

    @staticmethod
    def helper_is_empty():
        state = json.loads(read(HELPER_STATE)) if os.path.exists(HELPER_STATE) else {}
        return not any(value for value in state.values() if isinstance(value, list))

    def records(self, after):
        records = []
        while True:
            page = self.lab.ask_broker(f"/audit?after={after}", self.lab.tokens["appr1"])
            if not page["records"]:
                return records
            records += page["records"]
            after = page["next"]

    def last_record(self):
        self.sealed()
        return int(self.lab.broker.admin("audit", "anchor").stdout.split()[0])

    def sealed(self):
        """What `audit verify` says once all is in the chain: on a table that takes a moment."""
        def whole():
            said = self.lab.broker.admin("audit", "verify", check=False).stdout
            return "not in the chain yet" not in said and said
        return wait_until("every record is in the chain", whole, SETTLE, 0.1)

    def check_the_chain(self, doing, began):
        """What people were told stands in it, and nobody was allowed without an approval that does."""
        self.assertIn("the audit chain is whole", self.sealed())
        by_request = collections.defaultdict(list)
        for record in self.records(began):
            by_request[record.get("requestId")].append(record["action"])
        known = {short: by_request[self.lab.request(short)["requestId"]] for short in {*doing.told, *doing.allowed}}
        for short, told in doing.told.items():
            if "its end" in told:
                told = (told - {"its end"}) | (FINAL & set(known[short]) or {"an end"})
            self.assertLessEqual(told, set(known[short]), f"somebody was told that of {short}")
        for short in doing.allowed:
            self.assertIn("request.approved", known[short], f"root ran under {short}")
        for request, actions in by_request.items():
            over = [at for at, action in enumerate(actions) if action in FINAL]
            if request and over:
                self.assertEqual(over, [len(actions) - 1], f"nothing follows the end of {request}: {actions}")

    def check_descriptors(self):
        """As many as before anything happened, of each kind; connections that are kept for later have a limit."""
        for name, process in self.daemons().items():
            def settled(name=name, process=process):
                self.more = descriptors(process) - type(self).calm[name]
                spare = CACHED if set(self.more) <= {"tcp"} else 0
                return sum(self.more.values()) <= spare

            try:
                wait_until("descriptors are given back", settled, SETTLE, 0.1)
            except AssertionError:
                raise AssertionError(f"descriptors of the {name} that were not there before: {self.more}") from None


class StsCase(FaultCase):
    """The same host, whose helper waits as long as by default: it is the broker that says of STS that it is silent."""

    call = 10


class TableCase(FaultCase):
    """The same host, with a table of DynamoDB as its broker's store."""

    call = 5

    @classmethod
    def why_not(cls):
        try:
            npm.packages()
        except unittest.SkipTest as lacking:
            return str(lacking)
        return super().why_not()

    @classmethod
    def begin(cls, broker, helper):
        lab = cls.lab
        before = lab.api_key, dict(lab.tokens)
        cls.addClassCleanup(cls.hand_out, *before)
        lab.configure({**broker, **cls.rig.start_table()}, helper)
        lab.broker.admin("store", "create")
        cls.hand_out(new_secret(lab.broker, "key", "add", HOSTNAME),
                     {name: new_secret(lab.broker, "token", "add", name) for name in before[1]})
        lab.forget_state()
        lab.start()

    @classmethod
    def hand_out(cls, key, tokens):
        cls.lab.api_key, cls.lab.tokens = key, tokens
        cls.lab.set_api_key(key)
        for name, token in tokens.items():
            write(f"/home/{name}/.config/jit-broker/token", token + "\n", 0o600, name, name)


def ours(text):
    """The lines of pam_jit's programs, without a countdown that was overwritten."""
    lines = [line.split("\r")[-1] for line in (text or "").replace("\r\n", "\n").split("\n")]
    return " / ".join(line for line in lines if line.startswith(("jit: ", "jit-broker: ")))


def descriptors(process):
    """How many of each kind a process has. (A connection that its peer has reset stands in no list of the kernel's.)"""
    kinds = collections.Counter()
    local = {line.split()[6] for line in read(f"/proc/{process.pid}/net/unix").splitlines()[1:]}
    for path in glob.glob(f"/proc/{process.pid}/fd/*"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        if target.startswith("socket:"):
            target = "unix" if target[8:-1] in local else "tcp"
        kinds[re.sub(r":\[\d+\]", "", target)] += 1
    return kinds


def processes():
    """Who is alive: {pid: name}."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/comm"):
        pid = int(path.split("/")[2])
        with contextlib.suppress(OSError):  # it has just ended
            if state_of(pid) not in "ZX":
                found[pid] = read(path).strip()
    return found


def helpers_files():
    return sorted(os.path.join(folder, name) for top in ("/run/pam-jit", "/var/lib/pam-jit")
                  for folder, folders, names in os.walk(top) for name in folders + names)
