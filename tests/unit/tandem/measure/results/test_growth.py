"""What a measurement of an imagined server comes to: figures, knee, words, and what is wrong."""

import pytest

from tandem.measure.report.growth import explanation
from tandem.measure.results.files import read_as, write_document
from tandem.measure.results.growth import Growth, Settings
from tandem.measure.setting_errors import checked as checked_settings
from tandem.measure.studies.growth.texts import prompt
from tandem.measure.studies.growth.together import Stream, Together
from tests.unit.tandem.measure.studies.growth.imagined import (
    OWN_SECONDS,
    SHARED_SECONDS,
    document,
    findings,
    stream,
    together,
)


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


def test_the_words_hold_the_numbers():
    found = document()
    text = " ".join(explanation(found))
    assert "plus 1.02 ms * b" in text
    assert "read from memory once for all sequences" in text
    assert "The knee is at 6.01 sequences" in text
    assert "Beyond it arithmetic dominates: tokens/s level off towards 977" in text
    assert "1.02 ms more for each 1,000 tokens" in text
    assert "1,961 tokens/s of prefill" in text
    assert "Drafts are the middle ground between sequential and parallel" in text
    assert "At best 2.64 times the tokens/s, with 3.00 tokens a step (text that repeats itself, 8 streams)" in text
    assert "at worst 0.793 times the tokens/s, with 1.00 tokens a step (new text, 1 stream)" in text
    assert "all the same as without" in text
    assert "POOR" not in text


def test_one_number_of_streams_is_not_compared_with_itself():
    settings = Settings(concurrencies=(1,))
    text = " ".join(explanation(document(findings(settings), settings)))
    assert "times as many" not in text
    assert "Alone, a token takes" in text


def test_a_knee_beyond_the_measured_is_said():
    settings = Settings(concurrencies=(1, 2, 4))
    found = document(findings(settings, lambda number: 0.01 + 0.0001 * number), settings)
    assert "beyond what was measured: up to 4 a further stream is cheap" in " ".join(explanation(found))


def test_a_poor_fit_is_said():
    found = document(findings(Settings(), lambda number: 0.01 * (1 + (number in (2, 8, 32)))))
    assert "POOR: the fit of the step's time over the number of streams" in " ".join(explanation(found))


def test_outputs_that_differ_are_a_problem():
    made = findings(Settings())
    made.drafts["new", 1][0][1] = Together([stream(0.05, 0.01, [1] * 64, first_id=7)])
    found = document(made)
    assert found.problems == ("1 streams of new text: 1 of 3 outputs differ between the servers",)
    assert "NOT THE SAME" in " ".join(explanation(found))


def test_streams_that_did_not_run_at_once_are_left_out_and_told_of():
    made = findings(Settings())
    late = Stream(0.0, [9.0 + place for place in range(64)], [1] * 64, list(range(64)))
    apart = Together([*together(63, 0.01).streams, late])
    made.concurrency[64][1] = made.drafts["new", 1][0][1] = apart
    made.concurrency[48] = [apart] * 3
    made.drafts["new", 8] = [[apart, apart]]
    found = document(made)
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
    made = findings(Settings())
    made.context[64][0] = Together([stream(0.05, 0.01, [32])])
    found = document(made)
    assert "64 tokens of context: 1 of 3 times all tokens came in one message" in found.problems[0]
    assert found.context[0].gap_p50_seconds.count == 2


def test_a_broken_round_leaves_what_there_is():
    made = findings(Settings())
    made.concurrency[64].pop()
    found = document(made, problem="broken off by hand")
    assert found.is_partial
    assert found.concurrency[-1].step_seconds.count == 2
    assert found.step_fit is not None


def test_nothing_measured_is_a_document_without_words():
    made = findings(Settings(), num_rounds=0)
    found = document(made, problem="broken off by hand")
    assert (found.concurrency, found.step_fit, list(explanation(found))) == ((), None, [])


def test_a_document_is_read_as_it_was_written(tmp_path):
    made = document()
    write_document(tmp_path / "growth.json", made)
    assert read_as(tmp_path / "growth.json", Growth) == made


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"concurrencies": "1,0"}, "concurrencies[1]: '0' is not accepted: input should be greater than or equal to 1"),
        ({"concurrencies": "a"}, "concurrencies[0]: 'a' is not accepted"),
        ({"contexts": ""}, "contexts[0]: '' is not accepted"),
        ({"num_rounds": 0}, "num_rounds: 0 is not accepted"),
        ({"new_tokens": 1}, "new_tokens: 1 is not accepted: input should be greater than or equal to 2"),
    ],
)
def test_bad_settings_name_field_value_and_what_is_accepted(values, text):
    with pytest.raises(ValueError, match="not accepted") as caught:
        checked_settings(Settings, values)
    assert text in str(caught.value)


def test_settings_are_sorted():
    assert checked_settings(Settings, {"concurrencies": "8,1,8"}).concurrencies == (1, 8)


def test_no_two_texts_begin_alike(random_source):
    texts = [prompt(kind, place, random_source) for kind in ("new", "repeats itself") for place in range(40)]
    assert len({text[:12] for text in texts}) > 75


def test_a_text_that_repeats_itself_has_begun_again(random_source):
    words = prompt("repeats itself", 0, random_source).split("\n\n")
    assert words[1] == words[2] == words[3]
    assert words[1].startswith(words[4])


def test_one_comparison_with_drafts_is_best_and_worst():
    made = findings(Settings())
    made.drafts = {("new", 1): made.drafts["new", 1]}
    assert "At best 0.793 times" in " ".join(explanation(document(made)))
