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
    assert BOTH.common == (2.0, 4.0)
    assert BOTH.decode_tokens_per_second == pytest.approx((2 + 4) / 2.0)
    assert (BOTH.gap_p50_seconds, BOTH.first_token_p50_seconds) == (1.0, 1.0)
    assert BOTH.whole_tokens_per_second == pytest.approx(11 / 5.0)  # from the sending on
    assert BOTH.tokens_per_message == pytest.approx((4 + 5) / 7)  # behind the first
    apart = at_once([Stream(0.0, [1.0, 2.0], [1, 1], [1, 2]), Stream(0.0, [3.0, 4.0], [1, 1], [3, 4])])
    assert (apart.decode_tokens_per_second, apart.gap_p50_seconds) == (None, None)
    lone = at_once([Stream(0.0, [1.0], [4], [1, 2, 3, 4])])
    assert (lone.decode_tokens_per_second, lone.tokens_per_message) == (None, 0.0)


def test_the_tokens_of_given_requests_are_in_their_order():
    recorder = Recorder(1)
    for number, token in ((8, 3), (7, 2), (6, 4)):
        message = ar_pb2.GenerateResponse(token_ids=[token] * 2).SerializeToString()
        messages = [(number, 0.5, 2), (number, 0.9, 2)]
        recorder.ended(row(number, 0.1, 1.0, sent=0.2), messages, [(number, message)] * 2)
    found = together(merge([recorder.record(USE)]), "Generate", 3)
    assert found.token_ids == [[4] * 4, [2] * 4, [3] * 4]
    assert found.first_token_p50_seconds == pytest.approx(0.3)


def test_figures_are_those_of_the_imagined_server():
    found = document()
    assert [point.concurrency for point in found.concurrency] == [1, 2, 4, 8, 16, 32, 48, 64]
    eight = found.concurrency[3]
    # The second round of three, 2 % slower than the first.
    assert eight.decode_tokens_per_second.value == pytest.approx(8 / 0.014 / 1.02, rel=0.01)
    assert eight.decode_tokens_per_second.low < eight.decode_tokens_per_second.value
    assert (eight.decode_tokens_per_second.count, len(eight.step_seconds_of_rounds)) == (3, 3)
    assert found.step_fit is not None
    assert found.step_fit.shape == "sum"
    assert found.step_fit.knee.value == pytest.approx(SHARED_SECONDS / OWN_SECONDS, rel=0.03)
    assert found.gap_fit is not None
    assert found.gap_fit.per_token_seconds == pytest.approx(1e-6 * 1.02, rel=0.05)
    assert found.first_token_fit is not None
    assert 1 / found.first_token_fit.per_token_seconds == pytest.approx(2_000 / 1.02, rel=0.05)
    assert (found.problems, found.is_partial) == ((), False)


def test_outputs_that_differ_are_a_problem():
    study = findings(Settings())
    study.drafts["new", 1][0][1] = at_once([stream(0.05, 0.01, [1] * 64, first_id=7)])
    found = document(study)
    assert found.problems == ("1 streams of new text: 1 of 3 outputs differ between the servers",)


def test_streams_that_did_not_run_at_once_are_left_out_and_told_of():
    study = findings(Settings())
    late = Stream(0.0, [9.0 + place for place in range(64)], [1] * 64, list(range(64)))
    apart = at_once([*several(63, 0.01), late])
    study.concurrency[64][1] = study.drafts["new", 1][0][1] = apart
    study.concurrency[48] = [apart] * 3
    study.drafts["new", 8] = [[apart, apart]]
    found = document(study)
    assert [point.concurrency for point in found.concurrency] == [1, 2, 4, 8, 16, 32, 64]
    assert found.concurrency[-1].step_seconds.count == 2
    assert len(found.drafts) == 3
    for text, problem in zip(
        ("48 streams: 3 of 3", "64 streams: 1 of 3", "1 streams of new text: 1 of 3", "8 streams of new text: 1 of 1"),
        found.problems,
        strict=True,
    ):
        assert problem.startswith(f"{text} times they never all ran at once")


def test_a_context_whose_tokens_came_at_once_is_told_of():
    study = findings(Settings())
    study.context[64][0] = at_once([stream(0.05, 0.01, [32])])
    found = document(study)
    assert "64 tokens of context: 1 of 3 times all tokens came in one message" in found.problems[0]
    assert found.context[0].gap_p50_seconds.count == 2


def test_no_two_texts_begin_alike_and_one_that_repeats_itself_has_begun_again(random_source):
    texts = [prompt(kind, place, random_source) for kind in ("new", "repeats itself") for place in range(40)]
    assert len({text[:12] for text in texts}) > 75
    words = texts[40].split("\n\n")
    assert words[1] == words[2] == words[3]
    assert words[1].startswith(words[4])
