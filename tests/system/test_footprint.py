"""What the helper takes of a host: memory with hundreds of elevated sessions, and processor time when nothing happens in
them. With --full as many sessions as are promised, and half a minute; else a fifth of them, a bound for each, and the timers
alone: none is set that is soon over. livesessions.py measures, and can be asked by itself."""

import json
import os
import re
import unittest

import footprint
import livesessions
from lab import Lab, LabCase, read
from namespace import TREE

FULL = bool(os.environ.get("PAM_JIT_FULL"))
SESSIONS, SECONDS = (500, 30) if FULL else (100, 0)
MOST = 10 << 20  # bytes of own memory with 500
WAKEUPS, NS = 12, 5 * 10**6  # in half a minute: a poll or two, each begun and ended; 1/60 of a percent of a processor
ALL, OF_EACH = 1200, 4  # sessions that it serves at a time, and descriptors of one that has a terminal
OTHERS, OF_OTHERS = 256, 2  # connections of session.sock
MOST_EACH = 30000  # bytes in the short form, where what any helper has in use is shared among fewer


class Helper(LabCase):
    helper_conf = livesessions.HELPER_CONF

    @classmethod
    def setUpClass(cls):
        Lab.here()
        process, conf = livesessions.issuer()
        cls.addClassCleanup(livesessions.dismiss, process)
        cls.broker_conf = {**livesessions.broker_conf(SESSIONS), **conf}
        super().setUpClass()

    @unittest.skipIf(os.environ.get("PAM_JIT_SAN"), "sanitizers keep memory of their own")
    def test_hundreds_of_sessions_take_little_memory_and_no_time_while_nothing_happens(self):
        found = livesessions.measure(self.lab, SESSIONS, SECONDS)
        print(json.dumps(found), flush=True)
        self.assertGreater(min(found["alarms"]), livesessions.SOON, "no timer ticks")
        self.assertEqual(found["live"]["threads"], 1)
        self.assertLess(found["bytes_each"], MOST_EACH)
        if FULL:
            self.assertLess(found["live"]["own"], MOST)
            self.assertLessEqual(found["wakeups"], WAKEUPS, "no timer ticks")
            self.assertLess(found["ns"], NS)
        self.assertEqual(found["left"]["descriptors"], found["empty"]["descriptors"])
        self.assertEqual(footprint.children(self.lab.helper.pid), {})

    def test_it_may_open_what_all_that_it_serves_can_take(self):
        limit = re.search(r"^Max open files\s+(\d+)", read(f"/proc/{self.lab.helper.pid}/limits"), re.M)
        unit = re.search(r"^LimitNOFILE=(\d+)$", read(f"{TREE}/etc/systemd/jit-helper.service"), re.M)
        needed = footprint.take(self.lab.helper.pid)["descriptors"] + ALL * OF_EACH + OTHERS * OF_OTHERS
        for allowed in (limit, unit):
            self.assertGreater(int(allowed[1]), needed)


if __name__ == "__main__":
    unittest.main()
