#!/usr/bin/python3
"""What a helper takes while so many elevated sessions live, each with a grant and credentials of its own, and while nothing
happens in them.

  tests/system/namespace.py tests/system/livesessions.py [SESSIONS [SECONDS]]

prints a line of JSON: `empty` and `live` (bytes and counts of footprint.take), `bytes_each`, its timers (`alarms`,
milliseconds), and of that many seconds `ns` of processor time and `wakeups`."""

import json
import os
import subprocess
import sys
import time

import footprint
from brokerlib import free_port, wait_for_port
from doors import role
from frames import ALLOW, ELEVATE, OPEN, OUTCOME, TEXT, VERDICT, GRANT, Module, end, frame, in_a_process, log_in_here, uid_of, TAKEN
from lab import HELPER_STATE, Lab, read, write
from namespace import TREE, die_with_parent
from terminal import wait_until

SOON = 5000  # milliseconds: what ticks more often is seen in its timers, what does less often in half a minute's wake-ups
EACH = 50  # sessions of one person; the helper takes 64 grants of one
BROKER_CONF = {**role("live", services="sshd", targets="self", scope="user", reason="optional", requesters="@crowd",
                      auto_approve="hours Mon-Sun 00:00-24:00", credential_lifetime="1h"), ("usage_plan default", "rate"): "10000"}
HELPER_CONF = {("service sshd", "role"): "live", ("service sshd", "duration"): "1h"}


def people(sessions):
    return [f"crowd{number}" for number in range(-(-sessions // EACH))]


def broker_conf(sessions):
    persons = {(f"person {name}", "unix"): name for name in people(sessions)}
    return {**BROKER_CONF, **persons, ("group crowd", "members"): " ".join(people(sessions))}


def issuer():
    """(process, what makes it the broker's issuer): an STS whose session tokens are as long as AWS's."""
    port, log = free_port(), "/run/lab/sts.log"
    with open(log, "ab") as out:
        process = subprocess.Popen([sys.executable, f"{TREE}/tests/faults/peers.py", str(port)], stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=out, preexec_fn=die_with_parent)
    wait_for_port("127.0.0.1", port, process, log)
    write("/etc/jit-broker/issuer.credentials", "[default]\naws_access_key_id = AKIAEXAMPLE\n"
          "aws_secret_access_key = secret\n", 0o640, "root", "_jitbroker")
    return process, {("broker", "issuer"): f"sts:http://127.0.0.1:{port}", ("broker", "issuer_plain_loopback"): "yes",
                     ("broker", "issuer_credentials"): "/etc/jit-broker/issuer.credentials"}


def dismiss(process):
    process.kill()
    process.wait()


def begin(name, number, take=True):
    """One login of that person from a place of its own: the connection that is its elevation, once it is taken."""
    who = {"TARGET": name, "REQUESTER": name, "UID": uid_of(name), "RHOST": f"192.0.2.{number + 1}"}
    with Module() as asking:
        asking.ask(ELEVATE, "sshd", **who)
        said = asking.expect(VERDICT)
        if said[OUTCOME][3] != ALLOW:
            raise AssertionError(f"{name} is refused: {said.get(TEXT)}")
        asking.take()
    opened = Module()
    opened.ask(OPEN, "sshd", **who, GRANT=said[GRANT].decode())
    said = opened.expect(VERDICT)
    if said[OUTCOME][3] != ALLOW:
        raise AssertionError(f"{name}'s session is refused: {said.get(TEXT)}")
    if take:
        opened.send(frame(TAKEN))
    return opened


def crowd(name, count):
    def work():
        log_in_here(name)
        return [begin(name, number) for number in range(count)]

    return in_a_process(work)


def idle(pid, seconds):
    """One stretch. That nothing happens has no event to wait for."""
    before = footprint.effort(pid)
    time.sleep(seconds)
    more = {what: n - before[what] for what, n in footprint.effort(pid).items()}
    return {"wakeups": more["wait"] + more["aside"], "ns": more["ns"]}


def far_off(pid):
    """Its timers, where it has some and none of them ends within SOON."""
    timers = footprint.alarms(pid)
    return timers if timers and min(timers) > SOON else None


def elevations():
    return len(json.loads(read(HELPER_STATE))["elevations"]) if os.path.exists(HELPER_STATE) else 0


def measure(lab, sessions, seconds):
    """In a laboratory that runs with broker_conf(sessions) and HELPER_CONF. Everybody has left when it returns."""
    for name in people(sessions):
        if name not in read("/etc/passwd"):
            lab.as_root("useradd", "--no-create-home", "--shell", "/bin/bash", name)
    empty = footprint.take(lab.helper.pid)
    processes = []
    try:
        for number, name in enumerate(people(sessions)):
            processes.append(crowd(name, min(EACH, sessions - number * EACH)))
        wait_until("all of them are written down", lambda: elevations() == sessions, 30)
        wait_until("they have credentials", lambda: read(lab.log("jit-helper")).count(": credentials for ") >= sessions, 60)
        live = footprint.take(lab.helper.pid)
        alarms = wait_until("it waits, and has no timer that is soon over", lambda: far_off(lab.helper.pid), 10)
        found = {"alarms": alarms, **idle(lab.helper.pid, seconds)}
    finally:
        for pid in processes:
            end(pid)
    wait_until("all of them have ended", lambda: elevations() == 0, 30)
    return {"sessions": sessions, "empty": empty, "live": live, "bytes_each": (live["own"] - empty["own"]) // sessions,
            "seconds": seconds, **found, "left": footprint.take(lab.helper.pid)}


def main(sessions=500, seconds=30):
    lab = Lab.here()
    process, conf = issuer()
    lab.restart({**broker_conf(sessions), **conf}, HELPER_CONF)
    try:
        print(json.dumps(measure(lab, sessions, seconds)))
    finally:
        lab.stop()
        dismiss(process)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
