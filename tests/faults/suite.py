"""What the suites of the matrix share (tests/system/test_fault_matrix*.py): the cells as tests, and which are quick."""

import unittest

from stscase import FULL

from . import matrix
from .case import FaultCase


def add_cells(cls, cells):
    """A test for each of these cells, named after it: test_broker_hang_account_wait."""
    for victim, fault, phase in cells:
        def test(self, cell=(victim, fault, phase)):
            self.run_cell(*cell)

        test.__doc__ = f"{victim}, {matrix.FAULTS[fault]}, {matrix.PHASES[phase]}"
        setattr(cls, f"test_{victim}_{fault}_{matrix.PHASES[phase].replace(' ', '_')}", test)
    return cls


def whole(victim, base=FaultCase):
    """The suite of one victim: all of its cells in the full tier."""
    cells = [cell for cell in matrix.CELLS if cell[0] == victim]
    return add_cells(unittest.skipUnless(FULL, "in the full tier")(type("Cells", (base,), {})), cells)
