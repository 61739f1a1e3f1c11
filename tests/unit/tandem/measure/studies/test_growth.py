"""Figures of streams whose times are written down by hand; and what a measurement of an imagined server comes to."""

import pytest

from tandem.measure.results.growth import Settings
from tests.unit.tandem.measure.studies.growth.imagined import (
    OWN_SECONDS,
    SHARED_SECONDS,
    at_once,
    document,
    findings,
    several,
    stream,
)

# One waits for its prompt while the other generates; both generate from 2.0 to 4.0.
EARLY = [(1.0, 1), (1.5, 1), (2.0, 1), (3.0, 1), (4.0, 1)]
LATE = [(2.0, 1), (3.0, 2), (4.0, 2), (5.0, 1)]


def test_figures_of_streams_are_those_of_the_part_in_which_all_generate():
    assert at_once(EARLY, LATE) == pytest.approx(
        {
            "decode_tokens_per_second": (2 + 4) / 2.0,
            "step_seconds": 2 * 2.0 / 6,
            "gap_p50_seconds": 1.0,
            "first_token_p50_seconds": 1.0,
            "whole_tokens_per_second": 11 / 5.0,  # from the sending on
        }
    )
    apart, lone = at_once([(1.0, 1), (2.0, 1)], [(3.0, 1), (4.0, 1)]), at_once([(1.0, 4)])
    assert set(apart) == set(lone) == {"first_token_p50_seconds", "whole_tokens_per_second"}


def test_figures_are_those_of_the_imagined_server():
    found = document()
    assert [point.at for point in found.streams] == [1, 2, 4, 8, 16, 32, 48, 64]
    rate = found.streams[3].figures["decode_tokens_per_second"]
    # The second round of three, 2 % slower than the first.
    assert rate.value == pytest.approx(8 / 0.014 / 1.02, rel=0.01)
    assert rate.low < rate.value
    assert rate.count == 3
    assert list(rate.of_rounds) == sorted(rate.of_rounds, reverse=True)
    assert found.step_fit is not None
    assert found.step_fit.shape == "sum"
    assert found.step_fit.knee.value == pytest.approx(SHARED_SECONDS / OWN_SECONDS, rel=0.03)
    assert found.gap_fit is not None
    assert found.gap_fit.own_seconds == pytest.approx(1e-6 * 1.02, rel=0.05)
    assert found.first_token_fit is not None
    assert 1 / found.first_token_fit.own_seconds == pytest.approx(2_000 / 1.02, rel=0.05)
    assert (found.problems, found.is_partial) == ((), False)


def test_streams_that_did_not_run_at_once_are_left_out_and_told_of():
    study = findings(Settings())
    apart = at_once(*several(63, 0.01), stream(9.0, 1.0, 64))
    study.seen["streams", 64][1] = apart
    study.seen["streams", 48] = [apart] * 3
    found = document(study)
    assert [point.at for point in found.streams] == [1, 2, 4, 8, 16, 32, 64]
    assert found.streams[-1].figures["step_seconds"].count == 2
    for text, problem in zip(("48 streams: 3 of 3", "64 streams: 1 of 3"), found.problems, strict=True):
        assert problem.startswith(f"{text} times they never all ran at once")


def test_a_context_whose_tokens_came_at_once_is_told_of():
    study = findings(Settings())
    study.seen["context", 64][0] = at_once([(0.05, 32)])
    found = document(study)
    assert "64 tokens of context: 1 of 3 times all tokens came in one message" in found.problems[0]
    assert found.contexts[0].figures["gap_p50_seconds"].count == 2
