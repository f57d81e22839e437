#!/usr/bin/python3
"""make bench: what pam_jit costs, side by side with others in one run, each goal with PASS or MISS.

  bench.py [--only ROW,ROW…] [--rounds PERCENT] [--ordinary] [--list]

Run it on a machine that has nothing else to do. Where it may, everything that is measured, contestants and daemons alike,
runs with a real-time priority, so that other work disturbs less; --ordinary: it does not. What it leaves goes to
build/bench, or the folder that BENCH_OUT names. It exits with 0 whatever it
finds: a figure is no error, but a row that could not be measured is."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys

from places import MODULES, OUT

import namespace

# What it needs of the distribution, and the package that has it.
NEEDED = {f"{MODULES}/pam_duo.so": "libpam-duo", "gnuplot": "gnuplot-nox", "curl": "curl", "sudo": "sudo", "openssl": "openssl"}


def what_is_missing():
    return [package for what, package in NEEDED.items() if not (os.path.exists(what) or shutil.which(what))]


def chosen(rows, only):
    names = [name for name in only.split(",") if name]
    unknown = [name for name in names if name not in rows]
    if unknown:
        sys.exit(f"bench: there is no row {unknown[0]}; rows are {' '.join(rows)}")
    return {name: row for name, row in rows.items() if not names or name in names}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=100, help="percent of the usual number of repetitions")
    parser.add_argument("--ordinary", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    missing = what_is_missing()
    if missing:
        sys.exit(f"bench: missing: {' '.join(missing)}. Run ./setup, which installs them.")
    if not namespace.inside():
        reason = namespace.why_not()
        if reason:
            sys.exit(f"bench: it cannot run here: {reason}.")
        namespace.heed_the_keyboard()
        namespace.enter([sys.executable, os.path.abspath(__file__), *sys.argv[1:]],
                        {"PAM_JIT_LOGS": os.path.join(OUT, "logs"), "BENCH_OUT": OUT})
    run(options)


def run(options):
    import machine
    import rows_broker
    import rows_host
    import rows_sudo
    from host import Host
    from report import Report

    rows = {**rows_sudo.ROWS, **rows_host.ROWS, **rows_broker.ROWS}
    if options.list:
        print(" ".join(rows))
        return
    rows = chosen(rows, options.only)
    if not options.ordinary:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    os.makedirs(OUT, exist_ok=True)
    report = Report(machine.describe(OUT))
    host = Host()
    try:
        for name, row in rows.items():
            try:
                row(host, report, lambda usual: max(2, usual * options.rounds // 100))
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                report.fail(name, error)
    finally:
        host.lab.stop()
    report.check(rows)
    report.write(OUT)
    print(f"\n{report.text()}\n\nIn {os.path.relpath(OUT)}: report.md, report.json, growth.svg.")
    if report.failed:
        sys.exit(f"bench: not measured: {' '.join(report.failed)}")


if __name__ == "__main__":
    main()
