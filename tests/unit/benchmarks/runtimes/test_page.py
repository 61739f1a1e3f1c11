"""Figures of runtimes become ratios of the same round, and a page."""

from benchmarks.runtimes.page import fid_table, ratios, speed_table

SPEEDS = {"base": {1: [10.0, 20.0], 8: [40.0, 40.0]}, "other": {1: [20.0, 30.0], 8: [20.0, 80.0]}}


def test_ratios_are_taken_round_by_round():
    assert ratios(SPEEDS, "base") == {
        "base": {1: [1.0, 1.0], 8: [1.0, 1.0]},
        "other": {1: [2.0, 1.5], 8: [0.5, 2.0]},
    }


def test_a_row_has_speeds_and_ratios_with_their_spread():
    lines = speed_table(SPEEDS, "base").splitlines()
    assert lines[0] == "|  | batch 1 | batch 8 |"
    assert lines[3] == "| other | 25 (20-30); x 1.75 (1.50-2.00) | 50 (20-80); x 1.25 (0.50-2.00) |"


def test_fids_stand_beside_their_ratio():
    lines = fid_table({"base": [1.0, 2.0], "other": [1.01, 1.98]}, "base").splitlines()
    assert lines[3] == "| other | 1.0100 | 1.9800 | 1.0000 (0.9900-1.0100) |"
