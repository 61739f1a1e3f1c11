"""A run is invalid if the generator was late, busy, or left something out; and only then."""

import numpy as np
import pytest

from tandem.measure.generator.audit import audit
from tandem.measure.results.record import Outcome, Use
from tandem.measure.statistics.stream_results import stream_results
from tests.unit.tandem.measure.records import USE, record, row
from tests.unit.tandem.measure.scenarios import open_scenario


def verdict(rows, use=USE, lag=0.0, is_partial=False, dropped=0):
    found = record(rows, use=use)._replace(lags=np.full(100, lag), num_dropped=np.array([dropped]))
    streams = stream_results(open_scenario(), found, 10.0)
    return audit(found, streams, is_partial)


def rows(lateness=0.0, latency=0.1, count=200):
    return [row(number, 1.0, latency, sent=1.0 + lateness) for number in range(count)]


def broken(found):
    return [check.name for check in found.checks if not check.passed]


def test_a_good_run_is_valid():
    found = verdict(rows())
    assert found.valid
    assert broken(found) == []


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (verdict(rows(lateness=0.011)), ["lateness p50, seconds", "lateness p99, seconds"]),
        (verdict(rows(lateness=0.0002, latency=0.001)), ["lateness p50, seconds"]),  # the p99 has its allowance
        (verdict(rows()[:190] + rows(lateness=0.05)[:10]), ["lateness p99, seconds"]),
        (verdict(rows(), lag=0.05), ["loop lag p50, seconds", "loop lag p99, seconds"]),
        (verdict(rows(), use=Use(0.95, 1.0, 200)), ["CPU"]),
        (verdict(rows(), dropped=1), ["dropped"]),
        (verdict([*rows(), row(999, 1.0, 5.0, Outcome.UNFINISHED)]), ["unfinished"]),
    ],
)
def test_each_fault_makes_it_invalid(found, names):
    assert not found.valid
    assert broken(found) == names


def test_what_a_break_cut_off_is_no_fault():
    assert verdict([*rows(), row(999, 1.0, 5.0, Outcome.UNFINISHED)], is_partial=True).valid
