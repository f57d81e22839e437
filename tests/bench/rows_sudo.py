"""What a person at sudo waits for, and what it costs the host. Each function is a row, or several that one run gives."""

import random
import threading
import time

from brokerlib import Api
from host import COMMANDS, STAMPS, read
from report import by_name, median, paired
from terminal import wait_until

DUOS = ("duo", "duo+nodelay")
SAID = {"floor": "pam_permit", "jit": "pam_jit", "duo": "pam_duo", "duo+nodelay": "pam_duo with TCP_NODELAY",
        "curl": "pam_exec with curl"}


def live(host, report, size):
    """sudo where a grant lives: nobody is asked, and every phase is gone through."""
    host.start(auto=True)
    with host.terminal() as terminal:
        terminal.run(host.gated("jit"))
        rounds, cpu = size(200), host.cpu_ms(host.lab.helper)
        runs = host.pairs(terminal, rounds, *((name, host.gated(name)) for name in ("floor", "jit")))
        helper = (host.cpu_ms(host.lab.helper) - cpu) / rounds
    walls, cpus = by_name(runs), by_name(runs, "cpu")
    report.add("sudo true with a live grant, over the same with pam_permit", paired(runs, "floor", "jit",
               lambda floor, jit: jit / floor), 1.10, beside=f"{median(walls['floor']):.2f} and {median(walls['jit']):.2f} ms; "
               f"processor time {median(cpus['floor']):.2f} and {median(cpus['jit']):.2f} ms, and {helper:.2f} ms of the helper")


def fresh(host, report, size):
    """sudo where somebody has to be asked, and the answer is at once: yes."""
    host.start(auto=True)
    names = ("floor", "jit", *DUOS, "curl")
    with host.terminal() as terminal:
        runs = host.pairs(terminal, size(60), *((name, host.gated(name), *(["/usr/bin/jit end"] if name == "jit" else []))
                                                for name in names), pause=20)
    over = {name: paired(runs, "floor", name, lambda floor, its: its - floor) for name in names[1:]}
    beside = ", ".join(f"{SAID[name]} {over[name]:.2f}" for name in names[2:])
    report.add("a fresh request approved at once, over pam_permit", over["jit"], 3, "ms", beside)
    for name in names[2:]:
        report.add(f"the same, against {SAID[name]}", over["jit"], over[name], "ms")


class Approver(threading.Thread):
    """Approves what waits: after `pause()` seconds, until it has done so `count` times. `decided`: when it said so;
    `answered`: when the broker confirmed it."""

    def __init__(self, host, count, pause):
        super().__init__(daemon=True)
        self.api = Api(8443, "/etc/pam-jit/broker-ca.pem", token=host.lab.tokens["appr1"])
        self.count, self.pause, self.decided, self.answered = count, pause, [], []
        self.start()

    def run(self):
        while len(self.decided) < self.count:
            waiting = self.api.get("/requests?status=PENDING").json["requests"]
            if not waiting:
                time.sleep(0.02)
                continue
            time.sleep(self.pause())
            path = f"/requests/{waiting[0]['requestId']}/approve"
            self.decided.append(time.monotonic_ns())
            self.api.post(path)
            self.answered.append(time.monotonic_ns())
        self.api.close()


def stamps(name):
    """When the commands began: ms of the same clock as `decided`, in ns."""
    return [int(line) for line in read(f"{STAMPS}/{name}").split()]


def approval(host, report, size):
    """From the decision to the command. It is counted from when the service says that it has decided: jit-broker to the
    approver, after its commit to disk, pam_duo's to pam_duo. The figure from when the approver's call is sent is beside."""
    host.start(auto=False)
    rounds, lags = size(40), {}
    choose = random.Random(1)

    def pause():
        return choose.uniform(0.2, 0.6)

    def lag(name, said):
        return [(began - at) / 1e6 for began, at in zip(stamps(name), said)]

    with host.terminal() as terminal:
        approver = Approver(host, rounds, pause)
        host.pairs(terminal, rounds, ("jit", host.gated("jit", f"stamp {STAMPS}/jit"), "/usr/bin/jit end"), pause=20)
        approver.join()
        lags["jit"], whole = lag("jit", approver.answered), median(lag("jit", approver.decided))
        for name in DUOS:
            host.service.decide, host.service.decided = lambda: time.sleep(pause()), []
            host.pairs(terminal, rounds, (name, host.gated(name, f"stamp {STAMPS}/{name}")), pause=20)
            lags[name] = lag(name, host.service.decided)
    host.service.decide = lambda: None
    found = {name: median(values) for name, values in lags.items()}
    report.add("approval to command", found["jit"], 3, "ms", f"slowest {max(lags['jit']):.1f}; {whole:.2f} from the "
               "approver's call on; " + ", ".join(f"{SAID[name]} {found[name]:.2f}" for name in DUOS))
    for name in DUOS:
        report.add(f"the same, against {SAID[name]}", found["jit"], found[name], "ms")


def crowd(host, report, size):
    """Many sudos at once that one approval lets in, a second later."""
    host.start(auto=False)
    many = min(50, max(5, size(50)))
    lasts, cpus = {}, {}
    with host.terminal() as terminal:
        cpu = host.cpu_ms(host.lab.helper)
        approver = Approver(host, 1, lambda: 1)
        runs = host.pairs(terminal, 1, ("jit", host.gated("jit", f"stamp {STAMPS}/crowd-jit")), crowd=many)
        approver.join()
        lasts["jit"] = (max(stamps("crowd-jit")) - approver.decided[0]) / 1e6
        cpus["jit"] = median(by_name(runs, "cpu")["jit"]) + (host.cpu_ms(host.lab.helper) - cpu) / many
        for name in DUOS:
            released = threading.Event()
            host.service.decide, host.service.decided = released.wait, []
            before = host.service.asked
            timer = threading.Thread(target=release_when_all_wait, args=(host, before + 4 * many, released))
            timer.start()
            runs = host.pairs(terminal, 1, (name, host.gated(name, f"stamp {STAMPS}/crowd-{name}")), crowd=many)
            timer.join()
            lasts[name] = (max(stamps(f"crowd-{name}")) - released.at) / 1e6
            cpus[name] = median(by_name(runs, "cpu")[name])
        floor = host.pairs(terminal, 1, ("floor", host.gated("floor")), crowd=many)
    host.service.decide = lambda: None
    report.add(f"{many} sudos at once: from the approval to the last one's command", lasts["jit"], 100, "ms",
               ", ".join(f"{SAID[name]} {lasts[name]:.1f}" for name in DUOS) +
               f"; {many} with pam_permit take {max(by_name(floor)['floor']):.1f} from their start to the last one's end")
    for name in DUOS:
        report.add(f"processor time a sudo of these, the helper's with it, against {SAID[name]}", cpus["jit"], cpus[name], "ms")


def release_when_all_wait(host, asked, released):
    wait_until("all of them have asked", lambda: host.service.asked >= asked, 30)
    time.sleep(1)
    released.at = time.monotonic_ns()
    released.set()


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
        waits, host.service.decide = 1.5, lambda: time.sleep(waits)
        terminal.start(f"sudo {COMMANDS}/duo/true")
        terminal.expect("Pushed a login request")
        began = time.monotonic()
        terminal.interrupt()
        terminal.finish()
        duo = 1000 * (time.monotonic() - began)
    host.service.decide = lambda: None
    report.add("Ctrl-C to the prompt", median(times), 50, "ms",
               f"slowest {max(times):.1f}, the broker knows after {max(told):.0f}; pam_duo {duo:.0f}, of a decision after 1,500")


def denied(host, report, _):
    host.start(auto=False)
    with host.terminal() as terminal:
        before = host.lab.filed()
        terminal.start(f"sudo {COMMANDS}/jit/true")
        shown = terminal.expect(r"request (\w{4}-\w{4}).*waiting for approval")
        host.lab.as_approver("appr1", "deny", shown[1])
        status, text = terminal.finish()
        filed = host.lab.filed() - before
    report.add("a denial: requests that were filed", filed, 1, fine=filed == 1 and status != 0, limit_text="exactly 1",
               beside=next((line for line in text.splitlines() if line.startswith("jit: ")), ""))


ROWS = {"live": live, "fresh": fresh, "approval": approval, "crowd": crowd, "interrupted": interrupted, "denied": denied}
