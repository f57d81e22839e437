"""The fault matrix in short: each victim and each fault at least once, in its quickest cells, and the page that shows all
of it. Every cell: test_fault_matrix_*.py, in the full tier."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import npm  # noqa: E402  (its folder has just been added)
from faults import matrix, page  # noqa: E402
from faults.case import FaultCase, StsCase, TableCase  # noqa: E402
from faults.suite import add_cells  # noqa: E402

prepare = npm.prepare
SHORT = [("broker", "refuse", "wait"), ("broker", "hang", "close"), ("broker", "garbage", "approve"),
         ("broker", "memory", "open"), ("broker", "clock_forward", "open"), ("broker", "kill", "wait"),
         ("helper", "cut", "open"), ("helper", "disk_full", "wait"), ("helper", "descriptors", "close"),
         ("helper", "kill", "approve"), ("sts", "stop", "open"), ("sts", "cut", "close"), ("store", "slow", "approve"),
         ("store", "garbage", "open"), ("store", "disk_full", "wait"), ("helper", "clock_back", "close"),
         ("broker", "descriptors", "close"), ("broker", "cut", "close"), ("broker", "clock_back", "approve"),
         ("helper", "refuse", "renewal"), ("helper", "garbage", "wait"), ("helper", "memory", "close"),
         ("sts", "refuse", "approve"), ("store", "hang", "open"), ("store", "refuse", "close"), ("store", "cut", "open"),
         ("table", "cut", "open")]


class Cells(FaultCase):
    pass


class StsCells(StsCase):
    pass


class TableCells(TableCase):
    pass


class Page(unittest.TestCase):
    def test_the_page_shows_what_the_cells_say(self):
        self.assertEqual(page.shown(), page.tables(), "docs/reliability.md: (cd tests; python3 -m faults.page)")

    def test_the_short_form_has_each_victim_and_each_fault(self):
        self.assertEqual({fault for _, fault, _ in SHORT}, set(matrix.FAULTS))
        self.assertEqual({victim for victim, _, _ in SHORT}, {victim for victim in matrix.ROWS if matrix.ROWS[victim]})

    def test_whatever_goes_wrong_has_a_sentence(self):
        """In a log at least; and to everybody who does not get what they asked for."""
        nobody = {("helper", "stop", "close"),  # asks it, and it cannot say anything
                  ("store", "slow", "wait")}  # may be slow enough to be too slow, and need not
        no = ("refused", "not approved", "held back", "over")
        for (victim, fault, phase), cell in matrix.CELLS.items():
            unharmed = not cell.asked or cell is matrix.UNHARMED[phase] or (victim, fault, phase) in nobody
            for option in cell.options:
                which = (victim, fault, phase, option.came)
                first, _, second = option.came.partition("; ")
                self.assertTrue(unharmed or any(option.says) or any(option.other) or any(option.log), which)
                self.assertTrue(first not in no or any(option.says), which)
                self.assertTrue(second not in no or any(option.other), which)

    def test_every_cell_is_there_or_has_its_reason(self):
        for victim, rows in matrix.ROWS.items():
            self.assertEqual(list(rows), list(matrix.FAULTS), victim)
            for fault, row in rows.items():
                self.assertTrue(isinstance(row, str) or list(row) == list(matrix.PHASES), (victim, fault))


for victim, host in {"broker": Cells, "helper": Cells, "store": Cells, "sts": StsCells, "table": TableCells}.items():
    add_cells(host, [cell for cell in SHORT if cell[0] == victim])
del FaultCase, StsCase, TableCase
