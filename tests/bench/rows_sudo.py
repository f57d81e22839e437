"""What a person at sudo waits for, and what it costs the host. Each function is a row, or several that one run gives."""

import os
import random
import threading
import time

from brokerlib import Api
from goals import DUO, UNDELAYED
from host import COMMANDS, STAMPS, read
from report import by_name, median, paired
from terminal import wait_until

DUOS = ("duo", "duo+nodelay")
SAID = {"duo": DUO, "duo+nodelay": UNDELAYED}


def live(host, report, size):
    """sudo where a grant lives: nobody is asked, and every phase is gone through."""
    host.start(auto=True)
    with host.terminal() as terminal:
        terminal.run(host.gated("jit"))
        rounds, cpu = size(200), host.cpu_ms(host.lab.helper)
        runs = host.pairs(terminal, rounds, *((name, host.gated(name)) for name in ("floor", "jit")))
        helper = (host.cpu_ms(host.lab.helper) - cpu) / rounds
    walls, cpus = by_name(runs), by_name(runs, "cpu")
    report.add("live", paired(runs, "floor", "jit", lambda floor, jit: jit / floor), f"{median(walls['floor']):.2f} and {median(walls['jit']):.2f} ms; "
               f"processor time {median(cpus['floor']):.2f} and {median(cpus['jit']):.2f} ms, and {helper:.2f} ms of the helper")


def fresh(host, report, size):
    """sudo where somebody has to be asked, and the answer is at once: yes."""
    host.start(auto=True)
    names = ("floor", "jit", *DUOS, "curl")
    with host.terminal() as terminal:
        runs = host.pairs(terminal, size(60), *((name, host.gated(name), *(["/usr/bin/jit end"] if name == "jit" else []))
                                                for name in names), pause=20)
    over = {name: paired(runs, "floor", name, lambda floor, its: its - floor) for name in names[1:]}
    report.add("fresh", over["jit"], f"pam_permit itself {median(by_name(runs)['floor']):.2f}")
    for name in names[2:]:
        report.against(f"fresh/{name}", over["jit"], over[name])


class Decider(threading.Thread):
    """Decides of what the contestants ask, in the order of `turns` (their names), each `pause()` seconds after `many` of
    them have asked. What it has of each, CLOCK_MONOTONIC in ns: `called`, the approver's call was sent; `durable`, the
    decision was on the disk (pam_duo's service has none); `told`, the service began to tell of it; `confirmed`, the
    approver knew."""

    def __init__(self, host, turns, pause, many=1):
        super().__init__(daemon=True)
        self.api = Api(8443, "/etc/pam-jit/broker-ca.pem", token=host.lab.tokens["appr1"])
        self.host, self.turns, self.pause, self.many = host, turns, pause, many
        self.called, self.durable, self.told, self.confirmed = ({name: [] for name in turns} for _ in range(4))
        self.start()

    def run(self):
        # An approver sits elsewhere: here theirs is the last program that a core is given to.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        for name in self.turns:
            if name == "jit":
                self._approve()
            else:
                self.host.service.wait_for(self.many)
                time.sleep(self.pause())
                self.called[name].append(time.monotonic_ns())
                self.told[name].append(self.host.service.decide())
                self.confirmed[name].append(time.monotonic_ns())
        self.api.close()

    def _approve(self):
        waiting = wait_until("somebody waits for the approver", self._pending, 60)
        time.sleep(self.pause())
        called = time.monotonic_ns()
        self.api.post(f"/requests/{waiting[0]['requestId']}/approve")
        confirmed = time.monotonic_ns()
        # One commit holds the decision and its audit record. It may be synced twice, where the WAL begins anew.
        durable, told = next((durable, told) for durable, told in self.host.commits() if durable > called and told)
        assert told < confirmed, "the broker told of a decision before it was on the disk"
        self.durable["jit"].append(durable)
        self.told["jit"].append(told)
        self.called["jit"].append(called)
        self.confirmed["jit"].append(confirmed)

    def _pending(self):
        return self.api.get("/requests?status=PENDING").json["requests"]


def decide_in_turn(host, terminal, rounds, pause, many=1):
    """Runs the contestants' sudos, many at once, while they are decided of: (runs, decider, began), the latter being
    {contestant: when the commands of each round began, CLOCK_MONOTONIC in ns}."""
    names = ("jit", *DUOS)
    for name in names:
        if os.path.exists(f"{STAMPS}/{name}"):
            os.unlink(f"{STAMPS}/{name}")
    turns = [names[(turn + i) % len(names)] for turn in range(rounds) for i in range(len(names))]  # as pairs takes them
    host.service.ask("hold")
    decider = Decider(host, turns, pause, many)
    runs = host.pairs(terminal, rounds, *((name, host.gated(name, f"stamp {STAMPS}/{name}"),
                                           *(["/usr/bin/jit end"] if name == "jit" else [])) for name in names),
                      crowd=many, pause=20)
    decider.join(60)
    host.service.ask("at-once")
    began = {}
    for name in names:
        at = [int(line) for line in read(f"{STAMPS}/{name}").split()]
        assert len(at) == many * len(decider.told[name]) == many * rounds, f"{name}: {len(at)} commands, of {rounds} decisions"
        began[name] = [at[many * i:many * (i + 1)] for i in range(rounds)]
    return runs, decider, began


def since(moments, began):
    """Milliseconds from each moment until the last command of its round."""
    return [(max(all_of_it) - at) / 1e6 for at, all_of_it in zip(moments, began)]


def approval(host, report, size):
    """From the decision to the command. One moment for all: the decision stands (jit-broker's is on the disk), and the
    service begins to tell of it."""
    host.start(auto=False)
    choose = random.Random(1)
    with host.terminal() as terminal:
        _, decider, began = decide_in_turn(host, terminal, size(40), lambda: choose.uniform(0.2, 0.6))
    lags = {name: since(decider.told[name], began[name]) for name in began}
    report.add("approval", lags["jit"], f"slowest {max(lags['jit']):.1f}; " + ", ".join(
        f"{median(since(moments['jit'], began['jit'])):.2f} {said}" for moments, said in (
            (decider.called, "from the approver's call on, the commit in it"), (decider.confirmed, "from when the approver knows"))))
    report.add("approval/disk", since(decider.durable["jit"], began["jit"]))
    for name in DUOS:
        report.against(f"approval/{name}", lags["jit"], lags[name])


def crowd(host, report, size):
    """Many sudos at once that one approval lets in, a second later."""
    host.start(auto=False)
    many, rounds = min(50, max(5, size(50))), min(5, size(5))
    with host.terminal() as terminal:
        cpu = host.cpu_ms(host.lab.helper)
        runs, decider, began = decide_in_turn(host, terminal, rounds, lambda: 1, many)
        helper = (host.cpu_ms(host.lab.helper) - cpu) / rounds / many
        floor = host.pairs(terminal, rounds, ("floor", host.gated("floor")), crowd=many)
    lasts = {name: since(decider.told[name], began[name]) for name in began}
    cpus = {name: [median(values[many * i:many * (i + 1)]) for i in range(rounds)] for name, values in by_name(runs, "cpu").items()}
    floors = by_name(floor)["floor"]
    report.add("crowd", lasts["jit"], f"of {many}, {rounds} times: {min(lasts['jit']):.0f} to {max(lasts['jit']):.0f}; " +
               ", ".join(f"{SAID[name]} {median(lasts[name]):.0f}" for name in DUOS) + f"; {many} with pam_permit take "
               f"{median([max(floors[many * i:many * (i + 1)]) for i in range(rounds)]):.0f} from their start to the last one's end")
    for name in DUOS:
        report.against(f"crowd/{name}", [cpu + helper for cpu in cpus["jit"]], cpus[name])


def interrupted(host, report, size):
    """Ctrl-C while a decision is waited for."""
    host.start(auto=False)
    times, told = [], []
    with host.terminal() as terminal:
        for _ in range(min(10, size(10))):
            terminal.start(f"sudo {COMMANDS}/jit/true")
            shown = terminal.expect(r"request (\w{4}-\w{4}).*waiting for approval")
            began = time.monotonic()
            terminal.interrupt()
            terminal.finish()
            times.append(1000 * (time.monotonic() - began))
            host.lab.wait_for_status(shown[1], "CANCELLED")
            told.append(1000 * (time.monotonic() - began))
        host.service.ask("hold")
        terminal.start(f"sudo {COMMANDS}/duo/true")
        host.service.wait_for(1)
        began = time.monotonic()
        terminal.interrupt()
        time.sleep(1.5)  # the approver's
        host.service.decide()
        terminal.finish()
        duo = 1000 * (time.monotonic() - began)
        host.service.ask("at-once")
    report.add("interrupted", times, f"slowest {max(times):.1f}, the broker knows after {max(told):.0f}; pam_duo {duo:.0f}, of a decision after 1,500")


def denied(host, report, _):
    host.start(auto=False)
    with host.terminal() as terminal:
        before = host.lab.filed()
        terminal.start(f"sudo {COMMANDS}/jit/true")
        shown = terminal.expect(r"request (\w{4}-\w{4}).*waiting for approval")
        host.lab.as_approver("appr1", "deny", shown[1])
        status, text = terminal.finish()
        filed = host.lab.filed() - before
    assert status, "sudo ran what was denied"
    report.add("denied", filed, next((line for line in text.splitlines() if line.startswith("jit: ")), ""))


ROWS = {"live": live, "fresh": fresh, "approval": approval, "crowd": crowd, "interrupted": interrupted, "denied": denied}
