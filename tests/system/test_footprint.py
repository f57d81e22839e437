"""What the helper takes of a host: memory with hundreds of elevated sessions, and processor time when nothing happens in
them. With --full as many sessions as are promised; else a fifth of them, and a bound for each. livesessions.py measures, and
can be asked by itself."""

import json
import os
import unittest

import footprint
import livesessions
from lab import Lab, LabCase

FULL = bool(os.environ.get("PAM_JIT_FULL"))
SESSIONS, SECONDS = (500, 7) if FULL else (100, 3)
MOST = 10 << 20  # bytes of own memory with 500
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
        self.assertEqual((found["wakeups"], found["ticks"]), (0, 0), "no timer ticks")
        self.assertEqual(found["live"]["threads"], 1)
        self.assertLess(found["bytes_each"], MOST_EACH)
        if FULL:
            self.assertLess(found["live"]["own"], MOST)
        self.assertEqual(found["left"]["descriptors"], found["empty"]["descriptors"])
        self.assertEqual(footprint.children(self.lab.helper.pid), {})


if __name__ == "__main__":
    unittest.main()
