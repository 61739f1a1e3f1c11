"""Figures of streams whose times are written down by hand; and what a measurement of an imagined server comes to."""

import pytest

from tandem.ar.v1 import ar_pb2
from tandem.measure.results.growth import Settings
from tandem.measure.results.record import merge
from tandem.measure.studies.growth.streams import prompt, together
from tests.unit.tandem.measure.records import USE, Recorder, row
from tests.unit.tandem.measure.studies.growth.imagined import (
    OWN_SECONDS,
    SHARED_SECONDS,
    Stream,
    at_once,
    document,
    findings,
    several,
    stream,
)

# One waits for its prompt while the other generates; both generate from 2.0 to 4.0.
EARLY = Stream(0.0, [1.0, 1.5, 2.0, 3.0, 4.0], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5])
LATE = Stream(0.0, [2.0, 3.0, 4.0, 5.0], [1, 2, 2, 1], [6, 7, 8, 9, 10, 11])
BOTH = at_once([EARLY, LATE])


def test_figures_of_streams_are_those_of_the_part_in_which_all_generate():
    assert BOTH.figures == pytest.approx(
        {
            "decode_tokens_per_second": (2 + 4) / 2.0,
            "step_seconds": 2 * 2.0 / 6,
            "gap_p50_seconds": 1.0,
            "first_token_p50_seconds": 1.0,
            "whole_tokens_per_second": 11 / 5.0,  # from the sending on
            "tokens_per_message": (4 + 5) / 7,  # behind the first
        }
    )
    anytime = {"first_token_p50_seconds", "whole_tokens_per_second", "tokens_per_message"}
    apart = at_once([Stream(0.0, [1.0, 2.0], [1, 1], [1, 2]), Stream(0.0, [3.0, 4.0], [1, 1], [3, 4])])
    lone = at_once([Stream(0.0, [1.0], [4], [1, 2, 3, 4])])
    assert set(apart.figures) == set(lone.figures) == anytime
    assert lone.figures["tokens_per_message"] == 0.0


def test_the_tokens_of_given_requests_are_in_their_order():
    recorder = Recorder(1)
    for number, token in ((8, 3), (7, 2), (6, 4)):
        message = ar_pb2.GenerateResponse(token_ids=[token] * 2).SerializeToString()
        messages = [(number, 0.5, 2), (number, 0.9, 2)]
        recorder.ended(row(number, 0.1, 1.0, sent=0.2), messages, [(number, message)] * 2)
    found = together(merge([recorder.record(USE)]), "Generate", 3)
    assert found.token_ids == [[4] * 4, [2] * 4, [3] * 4]
    assert found.figures["first_token_p50_seconds"] == pytest.approx(0.3)


def test_figures_are_those_of_the_imagined_server():
    found = document()
    assert [point.at for point in found.of("streams")] == [1, 2, 4, 8, 16, 32, 48, 64]
    rate = found.of("streams")[3].figures["decode_tokens_per_second"]
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


def test_outputs_that_differ_are_a_problem():
    study = findings(Settings())
    study.seen["new", 1][0][1] = at_once([stream(0.05, 0.01, [1] * 64, first_id=7)])
    found = document(study)
    assert found.problems == ("1 streams of new text: 1 of 3 outputs differ between the servers",)


def test_streams_that_did_not_run_at_once_are_left_out_and_told_of():
    study = findings(Settings())
    late = Stream(0.0, [9.0 + place for place in range(64)], [1] * 64, list(range(64)))
    apart = at_once([*several(63, 0.01), late])
    study.seen["streams", 64][1][0] = study.seen["new", 1][0][1] = apart
    study.seen["streams", 48] = [[apart]] * 3
    study.seen["new", 8] = [[apart, apart]]
    found = document(study)
    assert [point.at for point in found.of("streams")] == [1, 2, 4, 8, 16, 32, 64]
    assert found.of("streams")[-1].figures["step_seconds"].count == 2
    assert len(found.of("new", "repeats itself")) == 2 * 3
    for text, problem in zip(
        ("48 streams: 3 of 3", "64 streams: 1 of 3", "1 streams of new text: 1 of 3", "8 streams of new text: 1 of 1"),
        found.problems,
        strict=True,
    ):
        assert problem.startswith(f"{text} times they never all ran at once")


def test_a_context_whose_tokens_came_at_once_is_told_of():
    study = findings(Settings())
    study.seen["context", 64][0][0] = at_once([stream(0.05, 0.01, [32])])
    found = document(study)
    assert "64 tokens of context: 1 of 3 times all tokens came in one message" in found.problems[0]
    assert found.of("context")[0].figures["gap_p50_seconds"].count == 2


def test_no_two_texts_begin_alike_and_one_that_repeats_itself_has_begun_again(random_source):
    texts = [prompt(kind, place, random_source) for kind in ("new", "repeats itself") for place in range(40)]
    assert len({text[:12] for text in texts}) > 75
    words = texts[40].split("\n\n")
    assert words[1] == words[2] == words[3]
    assert words[1].startswith(words[4])
