"""The fault matrix, the broker's store as a table of DynamoDB: every fault in every phase (docs/reliability.md)."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import npm  # noqa: E402  (its folder has just been added)
from faults.case import TableCase  # noqa: E402
from faults.suite import whole  # noqa: E402

prepare = npm.prepare
Cells = whole("table", TableCase)
del TableCase
