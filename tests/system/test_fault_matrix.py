"""The fault matrix in short: each victim and each fault at least once, in its quickest cells, and the page that shows all
of it. Every cell: test_fault_matrix_*.py, in the full tier."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import npm  # noqa: E402  (its folder has just been added)
from faults import matrix, page  # noqa: E402
from faults.case import FaultCase, TableCase  # noqa: E402
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


class TableCells(TableCase):
    pass


class Page(unittest.TestCase):
    def test_the_page_shows_what_the_cells_say(self):
        self.assertEqual(page.shown(), page.tables(), "docs/reliability.md: (cd tests; python3 -m faults.page)")

    def test_the_short_form_has_each_victim_and_each_fault(self):
        self.assertEqual({fault for _, fault, _ in SHORT}, set(matrix.FAULTS))
        self.assertEqual({victim for victim, _, _ in SHORT}, {victim for victim in matrix.ROWS if matrix.ROWS[victim]})

    def test_every_cell_is_there_or_has_its_reason(self):
        for victim, rows in matrix.ROWS.items():
            self.assertEqual(list(rows), list(matrix.FAULTS), victim)
            for fault, row in rows.items():
                self.assertTrue(isinstance(row, str) or list(row) == list(matrix.PHASES), (victim, fault))


add_cells(Cells, [cell for cell in SHORT if cell[0] != "table"])
add_cells(TableCells, [cell for cell in SHORT if cell[0] == "table"])
del FaultCase, TableCase
