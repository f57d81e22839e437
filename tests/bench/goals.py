"""What is promised of the cost: each goal with its limit, in the order in which docs/performance.md has them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`limit` None: it is another's figure of the same run, or depends on one; `limit_text` says whose. `least`: what is
    measured may be no less."""

    row: str
    text: str
    unit: str
    limit: float | None
    limit_text: str
    least: bool = False


def _most(row, text, limit, unit=""):
    return Goal(row, text, unit, limit, f"≤ {limit:g} {unit}".strip() if unit else f"≤ {limit:.2f}")


def _none(row, text, unit=""):
    return Goal(row, text, unit, 0, f"0 {unit}".strip())


def _others(row, text, unit, whose):
    return Goal(row, text, unit, None, f"≤ {whose}")


DUO, UNDELAYED, CURL = "pam_duo", "pam_duo with TCP_NODELAY", "pam_exec with curl"
FRESH = "a fresh request approved at once, over pam_permit"
APPROVAL = "approval to command"
CROWD_CPU = "processor time a sudo of these, the helper's with it"
GOALS = {
    "live": _most("live", "sudo true with a live grant, over the same with pam_permit", 1.10),
    "fresh": _most("fresh", FRESH, 3, "ms"),
    "fresh/duo": _others("fresh", FRESH, "ms", DUO),
    "fresh/duo+nodelay": _others("fresh", FRESH, "ms", UNDELAYED),
    "fresh/curl": _others("fresh", FRESH, "ms", CURL),
    "approval": _most("approval", APPROVAL, 3, "ms"),
    "approval/disk": _most("approval", f"{APPROVAL}, from when the decision is on the disk", 3, "ms"),
    "approval/duo": _others("approval", APPROVAL, "ms", DUO),
    "approval/duo+nodelay": _others("approval", APPROVAL, "ms", UNDELAYED),
    "crowd": _most("crowd", "50 sudos at once: from the approval to the last one's command", 100, "ms"),
    "crowd/duo": _others("crowd", CROWD_CPU, "ms", DUO),
    "crowd/duo+nodelay": _others("crowd", CROWD_CPU, "ms", UNDELAYED),
    "interrupted": _most("interrupted", "Ctrl-C to the prompt", 50, "ms"),
    "denied": Goal("denied", "a denial: requests that were filed", "", 1, "exactly 1"),
    "helper/memory": _most("helper", "memory of its own (heap, stack, data) that the helper takes with 500 live sessions", 10, "MB"),
    "helper/idle": _most("helper", "processor time of the idle helper with them, in half a minute", 5, "ms"),
    "loading": Goal("loading", "dlopen of the module", "µs", None, "≤ 60 µs, or a twentieth of pam_duo's"),
    "libraries": _none("loading", "libraries new to sudo and sshd"),
    "memory": _none("memory", "memory that 1,000 transactions leave in a process", "bytes"),
    "credentials": _most("credentials", "jit credentials, over /bin/true", 2, "ms"),
    "survived/502": _none("survived", "a 502 during the wait: sudo's exit status after the approval"),
    "survived/dropped": _none("survived", "a dropped connection during the wait: sudo's exit status after the approval"),
    "throughput": Goal("throughput", "filing, approval and issue: share of what SQLite alone reaches", "", 0.5, "≥ 0.50", least=True),
    "waiting": _most("growth", "memory of each of 10,000 that wait", 20, "kB"),
    "woken": _most("growth", "all 10,000 woken after the first of 157 decisions", 0.5, "s"),
}
