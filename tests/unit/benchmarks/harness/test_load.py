"""Schedules, and what is made of the times of requests."""

import numpy as np
import pytest

from benchmarks.harness.http1 import unframed
from benchmarks.harness.load import poisson
from benchmarks.harness.run import Run


def _run(intended: list[float], seconds: list[float], status: list[float] | None = None) -> Run:
    sent = np.array(intended)
    codes = np.array(status) if status else np.zeros(len(sent))
    ended = sent + np.array(seconds)
    return Run(sent, sent, ended, ended, np.ones(len(sent)), codes, 0.0, False, ())


def test_independent_callers_are_so_many_a_second_on_average_and_none_is_late() -> None:
    starts = poisson(1000.0, 20.0, seed=3)
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    assert starts[-1] < 20
    assert len(starts) == pytest.approx(20_000, rel=0.03)
    assert np.diff(starts).std() == pytest.approx(1e-3, rel=0.05)


def test_a_schedule_is_the_same_for_the_same_seed_alone() -> None:
    assert (poisson(50.0, 2.0, seed=1) == poisson(50.0, 2.0, seed=1)).all()
    assert not np.array_equal(poisson(50.0, 2.0, seed=1), poisson(50.0, 2.0, seed=2))


def test_requests_that_always_take_as_long_are_all_delivered() -> None:
    starts = [index / 100 for index in range(400)]
    assert _run(starts, [0.5] * 400).delivered_share() == pytest.approx(1.0, abs=0.01)


def test_a_queue_that_grows_shows_as_undelivered() -> None:
    starts = [index / 100 for index in range(400)]
    assert _run(starts, [index / 400 for index in range(400)]).delivered_share() == pytest.approx(0.8, abs=0.02)


def test_what_did_not_end_ok_is_not_delivered_and_has_no_duration() -> None:
    starts = [index / 100 for index in range(400)]
    run = _run(starts, [0.001] * 400, [0.0, 8.0] * 200)
    assert run.num_ok == len(run.seconds) == 200
    assert run.delivered_share() == pytest.approx(0.5, abs=0.01)


def test_replies_are_told_apart_by_their_prefixes() -> None:
    assert list(unframed(b"\0\0\0\0\2ab\0\0\0\0\0\0\0\0\0\1c")) == [b"ab", b"", b"c"]
