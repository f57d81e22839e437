"""The fault matrix, STS: every fault in every phase (docs/reliability.md). test_fault_matrix.py is the short form."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from faults.case import FaultCase  # noqa: E402  (its folder has just been added)
from faults.suite import whole  # noqa: E402


class Patient(FaultCase):
    """Whose helper waits as long as by default: it is the broker that says of STS that it does not answer."""

    call = 10


Cells = whole("sts", Patient)
del FaultCase, Patient
