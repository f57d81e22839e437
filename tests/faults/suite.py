"""What the suites of the matrix share (tests/system/test_fault_matrix*.py): the cells as tests."""

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


@unittest.skip("in the full tier")
class Elsewhere(unittest.TestCase):
    """In the short tier: the cells that are quick are in test_fault_matrix.py."""

    def test_every_cell(self):
        pass


def whole(victim, base=FaultCase):
    """The suite of one victim."""
    if not FULL:
        return Elsewhere
    cells = [cell for cell in matrix.CELLS if cell[0] == victim]
    return add_cells(type("Cells", (base,), {"__module__": f"test_fault_matrix_{victim}"}), cells)
