"""The gap between messages, from the record of a load."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.streams import gap_seconds
from tandem.measure.results.record import MESSAGE, REQUEST, Outcome, Record


def record(times: dict[int, list[float]], failed: frozenset[int] = frozenset()) -> Record:
    """Return a record of requests by number, with the times of their messages."""
    requests = np.zeros(len(times), REQUEST)
    for row, number in zip(requests, times, strict=True):
        row["number"] = number
        row["outcome"] = Outcome.ERROR if number in failed else Outcome.OK
    messages = np.array([(number, at, 1) for number, found in times.items() for at in found], MESSAGE)
    nothing = np.zeros(0)
    return Record(requests, messages, nothing, nothing, nothing, Counter(), len(times), ())


def test_gaps_are_those_within_a_request():
    assert gap_seconds(record({3: [1.0, 1.1, 1.2], 4: [9.0, 9.1, 9.2]})) == pytest.approx(0.1)


def test_a_prompt_of_another_request_between_two_messages_does_not_count():
    assert gap_seconds(record({1: [1.0, 1.1, 1.2, 2.0, 2.1, 2.2]})) == pytest.approx(0.1)


def test_requests_that_failed_are_left_out():
    assert gap_seconds(record({1: [1.0, 1.1], 2: [1.0, 1.5, 2.0, 2.5]}, failed=frozenset({2}))) == pytest.approx(0.1)
