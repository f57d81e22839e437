#!/usr/bin/python3
"""Runs the fuzz targets that `make fuzz` has built, a line each. The last line is `N clean, N with findings`.

  tests/fuzz/fuzzing.py [--seconds N] [--only PATTERN]

What is found lies in build/fuzz/findings, beside it (.how) the command that repeats it and what it said. Inputs that reached
new code are kept in build/fuzz/corpus, and the next run goes on from there. Exit status 1 when something was found."""

import argparse
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.join(TREE, "build/fuzz")
FINDINGS = os.path.join(BUILT, "findings")
SEEDS = os.path.join(TREE, "tests/fuzz/seeds")
DICTIONARIES = os.path.join(TREE, "tests/fuzz/dictionaries")
ENVIRONMENT = {"UBSAN_OPTIONS": "print_stacktrace=1", "MALLOC_ARENA_MAX": "1"}
INPUT_S = 10  # that no input may take longer than
MEMORY_MB = 1024
LARGEST = {"fuzz_common_frame": 16448, "fuzz_common_seal": 25000}  # bytes of an input, where 4096 are not enough

# The short form: this many executions of each target, seeds included, from a fixed beginning: a second or two, and the
# same ones each time, but where the code draws ids and keys by lot.
RUNS = 10000
RUNS_OF = {"fuzz_broker_api": 300, "fuzz_broker_conf": 4000, "fuzz_broker_dynamo": 5000, "fuzz_broker_issued": 2000,
           "fuzz_broker_oidc": 5000, "fuzz_broker_step": 400, "fuzz_broker_ticket": 4000, "fuzz_common_awsrole": 5000, "fuzz_common_seal": 3000, "fuzz_common_text": 50000,
           "fuzz_common_time": 100000, "fuzz_helper_session": 800, "fuzz_module_pam": 1000}


def targets():
    """The names of all targets there are sources of."""
    return sorted(os.path.basename(path)[:-2] for path in glob.glob(f"{TREE}/tests/fuzz/fuzz_*.c"))


def program(target):
    return os.path.join(BUILT, "tests/fuzz", target)


def command(target, corpus, more):
    """The command line of a run. What it finds to be new goes to the folder `corpus`."""
    words = [program(target), f"-timeout={INPUT_S}", f"-rss_limit_mb={MEMORY_MB}",
             f"-artifact_prefix={FINDINGS}/{target}-", f"-max_len={LARGEST.get(target, 4096)}", "-print_final_stats=1"]
    dictionary = os.path.join(DICTIONARIES, target + ".dict")
    if os.path.exists(dictionary):
        words.append(f"-dict={dictionary}")
    seeds = os.path.join(SEEDS, target)
    return words + more + [corpus] + ([seeds] if os.path.isdir(seeds) else [])


def short_form(target, corpus, times):
    return command(target, corpus, [f"-runs={times * RUNS_OF.get(target, RUNS)}", "-seed=1"])


def explain(target, said):
    """Puts the command that repeats it beside what was found. Returns the finding's path, or None."""
    match = re.search(r"Test unit written to (\S+)", said)
    if not match:
        return None
    path = match[1]
    with open(path + ".how", "w", encoding="utf-8") as file:
        file.write(f"{os.path.relpath(program(target), TREE)} {os.path.relpath(path, TREE)}\n\n{said}")
    return path


def number(pattern, said):
    found = re.findall(pattern, said)
    return int(found[-1]) if found else 0


def run(target, seconds):
    """One target for that long: (its line, whether it is clean)."""
    corpus = os.path.join(BUILT, "corpus", target)
    os.makedirs(corpus, exist_ok=True)
    words = command(target, corpus, [f"-max_total_time={seconds}"])
    # An input that hangs is ended by libFuzzer's own alarm; this one is for a libFuzzer that hangs.
    done = subprocess.run(["timeout", "-k", "5", str(seconds + 120), *words], cwd=TREE, env={**os.environ, **ENVIRONMENT},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode(errors="replace")
    counts = (f"{number(r'stat::number_of_executed_units: *([0-9]+)', said) or number(r'#([0-9]+)', said):>10} executions"
              f"  {number(r'ft: ([0-9]+)', said):>6} features")
    if done.returncode == 0:
        return f"ok    {target:<28} {counts}", True
    found = explain(target, said)
    if not found:
        found = os.path.join(FINDINGS, target + "-log.txt")
        with open(found, "w", encoding="utf-8") as file:
            file.write(said)
    return f"FOUND {target:<28} {counts}  {os.path.relpath(found, TREE)}", False


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    chosen = [target for target in targets() if options.only in target]
    if not chosen:
        sys.exit(f"No target has '{options.only}' in its name: {', '.join(targets())}")
    os.makedirs(FINDINGS, exist_ok=True)
    clean = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for line, is_clean in pool.map(lambda target: run(target, options.seconds), chosen):
            print(line, flush=True)
            clean += is_clean
    print(f"{clean} clean, {len(chosen) - clean} with findings")
    return 0 if clean == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
