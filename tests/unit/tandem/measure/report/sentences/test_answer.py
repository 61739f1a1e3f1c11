"""Three sentences out of the figures: who is cheaper, who is better, how sure that is, and what is missing and why."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.measure.report.sentences.answer import Sentence, answer, missing, of_paradigm
from tandem.measure.results.comparison import Capacity, CpuSource, Judgement
from tandem.measure.results.steps import StepsPoint
from tandem.measure.results.value import Value
from tests.unit.tandem.measure.studies.fit.simulated import MACHINE
from tests.unit.tandem.measure.studies.steps.imagined import NOTE, document, judged

POINTS = document().points
IN_STEPS, (PLAIN, PARALLEL) = POINTS[:-2], POINTS[-2:]


def told(points: Any, **open_loops: Any) -> dict[str, str]:
    return {each.about: each.text for each in answer(points, MACHINE, 0.25, open_loops)}


def through_tokenizer(point: StepsPoint, fid: float) -> StepsPoint:
    """Return the point of a model whose tokenizer leaves real images this FID."""
    assert point.quality is not None
    return point.model_copy(update={"quality": judged(point.quality.model.fid, 0.8, fid)})


def with_rate(point: StepsPoint, rate: float | None, is_lower_bound: bool = False) -> StepsPoint:
    capacity = Capacity(
        slo_seconds=0.25,
        images_per_second=rate,
        concurrency=8,
        is_lower_bound=is_lower_bound,
    )
    return point.model_copy(update={"mode": point.mode.model_copy(update={"capacity": capacity})})


def with_p99(point: StepsPoint, seconds: float) -> StepsPoint:
    p99 = Value(value=seconds, low=None, high=None, method=None, count=1)
    curve = [
        each.model_copy(update={"latency": each.latency.model_copy(update={"p99": p99})}) for each in point.mode.curve
    ]
    return point.model_copy(update={"mode": point.mode.model_copy(update={"curve": tuple(curve)})})


def test_the_cost_is_of_the_model_without_steps_and_of_the_parallel_one() -> None:
    points = (*IN_STEPS, with_rate(PLAIN, 94.6), with_rate(PARALLEL, 1051.0, is_lower_bound=True))
    assert told(points)["What it costs"] == (
        "27 times the wait (54 ms for an image against 2 ms in parallel) and 1 times the CPU under load; with p99"
        " within 250 ms, 2 cores of Imagined CPU serve 95 images a second against at least 1,100 in closed loops, which"
        " bear more than arrivals at random."
    )
    assert of_paradigm(IN_STEPS, "sequential") is IN_STEPS[-1]


@pytest.mark.parametrize(
    ("sequential", "parallel", "words"),
    [
        ((158.4, 222.1), (2899.0, None), "serve 160 to 220 images a second against at least 2,900."),
        ((None, 31.4), (90.0, 110.0), "serve fewer than 31 images a second against 90 to 110."),
        ((None, None), (90.0, 110.0), "the CPU under load."),
    ],
)
def test_what_open_loops_carried_stands_before_what_a_closed_loop_bore(
    sequential: Any, parallel: Any, words: str
) -> None:
    points = (*IN_STEPS, with_rate(PLAIN, 370.0, is_lower_bound=True), with_rate(PARALLEL, 3200.0))
    assert told(points, ar=sequential, gan=parallel)["What it costs"].endswith(words)


def test_open_loops_of_other_models_say_nothing_of_these() -> None:
    points = (*IN_STEPS, with_rate(PLAIN, 95.0), with_rate(PARALLEL, 1000.0))
    assert "serve 95 images a second" in told(points, other=(1.0, 2.0), gan=(3.0, 4.0))["What it costs"]


def test_what_is_not_known_of_the_cost_is_left_out() -> None:
    unmeasured = [each.model_copy(update={"mode": each.mode.model_copy(update={"curve": ()})}) for each in POINTS]
    assert "What it costs" not in told(unmeasured)


@pytest.mark.parametrize(("fid", "word"), [(1.2, "worse"), (0.4, "better"), (0.75, "with no difference that 2,000")])
def test_the_views_are_told_by_tests_of_the_difference(fid: float, word: str) -> None:
    text = told((PLAIN.model_copy(update={"quality": judged(fid, 0.8)}), PARALLEL))["What it buys"]
    assert text.startswith(f"images {word}")
    assert "no difference that 2,000 images can show by " in text


@pytest.mark.parametrize(
    ("own", "lost", "words"),
    [
        (1.2, 1.1, "have an FID of 1.1 already, so most of the gap is not the price of sequence."),
        (1.2, 0.85, "have an FID of 0.85 already, so some of the gap is the tokenizer's."),
        (1.2, 0.4, "have an FID of 0.4 already, so little of the gap is the tokenizer's."),
        (0.75, 0.6, "have an FID of 0.6 already. Only the"),
        (0.4, 0.35, "have an FID of 0.35 already. Only the"),
    ],
)
def test_the_tokenizer_is_blamed_for_a_sure_gap_alone(own: float, lost: float, words: str) -> None:
    point = PLAIN.model_copy(update={"quality": judged(own, 0.8)})
    assert words in told((through_tokenizer(point, lost), PARALLEL))["What it buys"]


def test_without_that_share_it_is_said_that_it_is_missing() -> None:
    assert "tokenizer" not in told(POINTS)["What it buys"]
    assert list(missing(POINTS, NOTE, ())) == [
        "What of the FID of ar is its tokenizer's was not measured: its files were not at hand."
    ]
    assert list(missing([through_tokenizer(each, 1.0) for each in POINTS], NOTE, ())) == []


def test_the_fewest_steps_that_do_as_well_are_named() -> None:
    """FID is 1.5 + 30 / K: 2.1 in all 49 steps, and 2.75 in 24."""
    assert (
        told(POINTS)["In between"]
        == "sar needs all of its 49 steps (FID 2.1 in 54 ms); in 1 step it has FID 32 in 6 ms."
    )
    enough = [
        each.model_copy(update={"quality": judged(2.15, 0.8)}) if each.steps in (12, 24) else each for each in IN_STEPS
    ]
    text = told(enough)["In between"]
    assert text.startswith("in 12 of its 49 steps sar does about as well as in all")
    assert "p = " in text
    assert "In between" not in told((PLAIN, PARALLEL))


def test_steps_that_are_surely_worse_do_not_do_as_well_within_fifteen_percent() -> None:
    """2.4 is 14 % above 2.1, but surely above it."""
    more = [each.model_copy(update={"quality": judged(2.4, 0.8)}) if each.steps == 24 else each for each in IN_STEPS]
    assert told(more)["In between"].startswith("sar needs all")


def test_reasons_are_the_documents_own() -> None:
    judgement = Judgement(
        reason="it was not asked for", data_set=None, num_test_images=None, judge=None, judge_sha256=None
    )
    source = CpuSource(process="gateway", metrics_address=None, is_known=False, note="nobody answers")
    unjudged = [each.model_copy(update={"quality": None}) for each in (PLAIN, PARALLEL)]
    quality, cpu, between = missing(unjudged, judgement, (source,))
    assert quality == "Quality was not measured: it was not asked for."
    assert cpu == "CPU of the gateway is not known: nobody answers."
    assert between.startswith("What lies between sequence and parallel is not in these files")
    assert list(missing((), judgement, (source,))) == []


def test_who_met_the_objective_at_no_load_is_told_of() -> None:
    late = with_p99(with_rate(PLAIN, None), 0.4)
    unmet = [through_tokenizer(each, 1.0) for each in (*IN_STEPS, late, PARALLEL)]
    assert list(missing(unmet, NOTE, ())) == [
        "ar has no rate within the objective: with 1 to 4 callers p99 was always above 250 ms."
    ]


def test_errors_alone_are_not_said_to_be_late_replies() -> None:
    refused = [through_tokenizer(each, 1.0) for each in (*IN_STEPS, with_p99(with_rate(PLAIN, None), 0.1), PARALLEL)]
    assert list(missing(refused, NOTE, ())) == [
        "ar has no rate within the objective: no load that was tried had its p99 within 250 ms and no errors."
    ]


def test_of_servers_elsewhere_no_processor_is_named() -> None:
    points = (*IN_STEPS, with_rate(PLAIN, 95.0), with_rate(PARALLEL, 1000.0))
    found = {each.about: each.text for each in answer(points, None, 0.25, {})}
    assert "with p99 within 250 ms, the servers serve 95 images a second" in found["What it costs"]


def test_a_sentence_is_one_line_for_a_terminal() -> None:
    assert str(Sentence("What it costs", "nothing.")) == "What it costs: nothing."
