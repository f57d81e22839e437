"""The fault matrix, STS: every fault in every phase (docs/reliability.md). test_fault_matrix.py is the short form."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.case import StsCase  # noqa: E402  (its folder has just been added)
from faults.suite import whole  # noqa: E402

Cells = whole("sts", StsCase)
del StsCase
