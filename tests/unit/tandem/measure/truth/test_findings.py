"""What a record comes to, computed by hand."""

import numpy as np
import pytest

from tandem.measure.truth.findings import differences, truth_of
from tandem.measure.truth.native.build import Ending, MessageRow, RequestRow
from tandem.measure.truth.server import Record

REQUESTS = [
    # number, arrived, due, first, ended, messages, ending
    (0, 10.0, 10.5, 10.5, 11.0, 2, Ending.ANSWERED),
    (1, 10.5, 11.0, 11.2, 12.2, 3, Ending.ANSWERED),
    (2, 11.5, 12.0, np.nan, 12.0, 0, Ending.FAILED),
    (3, 12.0, 12.5, 12.5, 12.5, 1, Ending.ANSWERED),
    (4, 12.1, 13.0, np.nan, 12.6, 0, Ending.CANCELLED),
]
MESSAGES = [(0, 10.5), (0, 11.0), (1, 11.2), (1, 11.4), (1, 12.2), (3, 12.5)]
RECORD = Record(np.array(REQUESTS, np.dtype(RequestRow)), np.array(MESSAGES, np.dtype(MessageRow)))


def test_times_are_of_what_was_answered_and_load_is_of_all() -> None:
    truth = truth_of(RECORD)
    assert (truth.num_requests, truth.num_failed, truth.num_cancelled, truth.num_skipped) == (5, 1, 1, 0)
    assert truth.seconds == pytest.approx(2.6)
    assert truth.requests_per_second == pytest.approx(4 / 2.1)
    assert truth.concurrency == pytest.approx((1.0 + 1.7 + 0.5 + 0.5 + 0.5) / 2.6)
    assert truth.max_concurrency == 3
    assert [truth.ttft.p50, truth.ttft.max] == pytest.approx([0.5, 0.7])
    assert (truth.gap.count, truth.gap.min, truth.gap.max) == (3, pytest.approx(0.2), pytest.approx(0.8))
    assert [truth.tpot.min, truth.tpot.max] == pytest.approx([0.5, 0.5])
    assert truth.latency.max == pytest.approx(1.7)
    assert truth.lateness.max == pytest.approx(0.2)


def test_the_first_ones_can_be_left_out() -> None:
    truth = truth_of(RECORD, 3)
    assert (truth.num_requests, truth.num_skipped, truth.ttft.count) == (2, 3, 1)
    assert truth_of(RECORD, 5).requests_per_second is None


def test_differences_are_of_what_is_known() -> None:
    reported = {("ttft", "p50"): 0.51, ("gap", "max"): 0.72, ("latency", "p99"): 9.0}
    found = differences(truth_of(RECORD), reported)
    assert [(each.figure, each.quantile) for each in found] == [("ttft", "p50"), ("gap", "max")]
    assert [each.error for each in found] == pytest.approx([0.02, -0.1])
