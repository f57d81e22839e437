#!/usr/bin/python3
"""Runs one file of Python tests in this process and writes a JSON line for each test to a descriptor.

A file with a class that says `laboratory = True` is run inside the laboratory (system/namespace.py). A test marked
@full runs in the full tier alone."""

import faulthandler
import importlib.util
import json
import os
import sys
import time
import traceback
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "system"))

import namespace  # noqa: E402  (its folder has just been added)

RESULTS = "PAM_JIT_RESULTS"
HANGS_BEFORE = 10  # seconds before the limit


class Reporter(unittest.TestResult):
    """Reports each test at once, so that a suite that is killed has told what it knew."""

    def __init__(self, out):
        super().__init__()
        self.out = out
        self.started = 0.0

    def say(self, name, result, detail=""):
        seconds = time.monotonic() - self.started if self.started else 0.0
        self.out.write(json.dumps({"name": name, "result": result, "seconds": round(seconds, 2), "detail": detail}))
        self.out.write("\n")
        self.out.flush()

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.wrong = []

    def stopTest(self, test):
        super().stopTest(test)
        if self.wrong:
            tails = getattr(type(test), "log_tails", lambda: [])
            self.say(name_of(test), "failed", "\n".join(self.wrong + tails()))

    def addSuccess(self, test):
        self.say(name_of(test), "passed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say(name_of(test), "skipped", reason)

    def addFailure(self, test, err):
        self.fail_with(test, err)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.fail_with(test, err, str(subtest))

    def addExpectedFailure(self, test, err):
        self.fail_with(test, err, "tests here are never expected to fail")

    def addUnexpectedSuccess(self, test):
        self.say(name_of(test), "failed", "it is marked as expected to fail, and passed")

    def fail_with(self, test, err, where=""):
        lines = ([where] if where else []) + explain(err)
        if isinstance(test, unittest.TestCase):
            self.wrong += lines
        else:  # setUpClass: no test of the class runs
            self.say(name_of(test), "failed", "\n".join(lines))


def name_of(test):
    if isinstance(test, unittest.TestCase):
        return test.id().split(".", 1)[-1] if test.id().count(".") > 1 else test.id()
    return str(test).replace(" ", "_")  # setUpClass (module.Class)


def explain(err):
    kind, value, trace = err
    frames = [f"  {os.path.relpath(f.filename, HERE)}:{f.lineno}: {f.line}" for f in traceback.extract_tb(trace)
              if "/unittest/" not in f.filename]
    text = str(value) if issubclass(kind, AssertionError) else f"{kind.__name__}: {value}"
    return [text, "at"] + frames[-4:]


def load(path):
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, os.path.dirname(path))
    spec.loader.exec_module(module)
    return module


def tests_in(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from tests_in(item)
        else:
            yield item


def main(path, pattern):
    limit = float(os.environ.get("PAM_JIT_LIMIT", "0"))
    if limit:  # before it is killed a suite that hangs says where
        faulthandler.dump_traceback_later(limit - HANGS_BEFORE)
    fd = int(os.environ.get(RESULTS, "1"))
    out = os.fdopen(os.dup(fd), "w", encoding="utf-8")
    module = load(os.path.abspath(path))
    label = os.path.splitext(os.path.basename(path))[0]
    chosen = [t for t in tests_in(unittest.defaultTestLoader.loadTestsFromModule(module))
              if pattern in f"{label}.{name_of(t)}"]
    reporter = Reporter(out)
    if chosen and not namespace.inside() and hasattr(module, "prepare"):
        module.prepare()  # what the laboratory, which has no network, could not fetch
    if any(getattr(type(t), "laboratory", False) for t in chosen) and not namespace.inside():
        reason = namespace.why_not()
        if reason:
            for test in chosen:
                reporter.say(name_of(test), "skipped", reason)
            return 0
        kept = {name: value for name, value in os.environ.items() if name.startswith("PAM_JIT_")}
        kept["PAM_JIT_PASS_FDS"] = str(fd)
        os.set_inheritable(fd, True)
        namespace.enter([sys.executable, os.path.abspath(__file__), path, pattern], kept)
    unittest.TestSuite(regroup(chosen)).run(reporter)
    return 0


def regroup(tests):
    """Class by class, so that setUpClass runs once."""
    order = list(dict.fromkeys(type(t) for t in tests))
    return [t for cls in order for t in tests if type(t) is cls]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
