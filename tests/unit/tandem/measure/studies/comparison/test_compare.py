"""From requests whose times are known to the figures of a document, and the document to a file and back."""

from pathlib import Path
from typing import Any

import pytest

from tandem.measure.report.findings import least_difference
from tandem.measure.results.comparison import Comparison, Contrast
from tandem.measure.results.files import read_as, write_document
from tests.unit.tandem.measure.studies.comparison.seen import MODES, controlled, findings, made, settings, trial


def the(document: Comparison, first: str, second: str, concurrency: int, metric: str) -> Contrast:
    (found,) = (
        each
        for each in document.contrasts
        if (each.first, each.second, each.concurrency, each.metric) == (first, second, concurrency, metric)
    )
    return found


def test_a_point_is_made_of_its_trials() -> None:
    trials = [
        (0, trial("parallel unary", 4, [0.1] * 30, lasted=1.0)),
        (1, trial("parallel unary", 4, [0.2] * 10, lasted=1.0, failed=2)),
        (0, trial("sequential unary", 4, [0.8] * 10, lasted=2.0, backend_cpu_seconds=0.9)),
        (1, trial("sequential unary", 4, [0.9] * 10, lasted=2.0, backend_cpu_seconds=0.9)),
    ]
    document = made(findings(trials=trials))
    (point,) = document.modes[3].curve
    assert (point.concurrency, point.num_images, point.num_errors) == (4, 40, 2)
    rate = point.figures["images_per_second"]
    assert (rate.value, rate.low, rate.high, rate.method, rate.count) == (20.0, 10.0, 30.0, "range", 2)
    p50 = point.figures["latency_p50_seconds"]
    assert (p50.value, p50.low, p50.high) == (0.1, 0.1, 0.2)
    assert point.figures["cpu_seconds_per_image"].value == pytest.approx(1.0 / 40)
    assert point.client_cpu_share == pytest.approx(0.2)
    assert rate.of_rounds == (30.0, 10.0)
    assert point.figures["trial_seconds"].of_rounds == (1.0, 1.0)
    rates = the(document, "sequential unary", "parallel unary", 4, "images_per_second")
    assert (rates.first_value, rates.second_value) == (5.0, 20.0)
    assert (rates.difference.low, rates.difference.high) == (-25.0, -5.0)
    cpu = the(document, "sequential unary", "parallel unary", 4, "cpu_seconds_per_image")
    assert cpu.ratio is not None
    assert cpu.ratio.value == pytest.approx((2.0 / 20) / (1.0 / 40))


def test_a_ratio_under_load_is_the_median_of_the_rounds_own() -> None:
    """In five of nine rounds the machine is busy: all rounds together would say 30, and every single one says 10."""
    trials = []
    for number in range(9):
        slow = 3.0 if number % 2 == 0 else 1.0
        trials.append((number, trial("sequential unary", 4, [0.1 * slow] * 10)))
        trials.append((number, trial("parallel unary", 4, [0.01 * slow] * (10 if slow > 1 else 100))))
    found = the(made(findings(trials=trials)), "sequential unary", "parallel unary", 4, "latency_p50_seconds")
    assert found.first_value / found.second_value == pytest.approx(30.0)
    assert found.ratio is not None
    assert (found.ratio.value, found.ratio.low, found.ratio.high) == pytest.approx((10.0, 10.0, 10.0))
    assert found.difference.value == pytest.approx(0.27)


def test_unknown_cpu_time_is_none_and_not_zero() -> None:
    unknown = {"gateway_cpu_seconds": None, "backend_cpu_seconds": None}
    document = made(findings(trials=[(0, trial("parallel unary", 1, [0.1], **unknown))]))
    figures = document.modes[3].curve[0].figures
    assert {name for name in figures if "cpu" in name} == {"client_cpu_seconds_per_image"}
    assert figures["client_cpu_seconds_per_image"].value == 0.2
    assert not any(each.metric == "cpu_seconds_per_image" for each in document.contrasts)


def test_only_rounds_that_both_modes_were_in_are_contrasted() -> None:
    trials = [
        (0, trial("parallel unary", 1, [0.1] * 5)),
        (0, trial("sequential unary", 1, [0.5] * 5)),
        (1, trial("parallel unary", 1, [9.0] * 5)),
    ]
    found = the(made(findings(trials=trials)), "sequential unary", "parallel unary", 1, "latency_p50_seconds")
    assert (found.first_value, found.second_value) == (0.5, 0.1)


def test_a_control_tells_how_far_equal_things_differ() -> None:
    document = controlled(*[1.25] * 4)
    assert [mode.name for mode in document.modes] == list(MODES)
    assert {each.second for each in document.controls} == {"sequential unary, again", "parallel unary, again"}
    assert not any("again" in each.second for each in document.contrasts)
    found = least_difference(document.controls, 1, "latency_p50_seconds")
    assert found == pytest.approx(0.25)
    assert least_difference(document.controls, 64, "images_per_second") is None
    assert least_difference(made().controls, 1, "latency_p50_seconds") is None


def test_nothing_seen_is_a_document_too(tmp_path: Path) -> None:
    document = made(findings(stop_reason="broken off by hand"))
    assert document.is_partial
    assert document.problems == ("broken off by hand",)
    assert [(mode.name, mode.alone, mode.curve, mode.capacity) for mode in document.modes] == [
        (name, None, (), None) for name in MODES
    ]
    write_document(tmp_path / "comparison.json", document)
    assert read_as(tmp_path / "comparison.json", Comparison) == document


@pytest.mark.parametrize(
    ("seconds", "failed", "expected"),
    [
        ((0.1, 0.2, 0.3, 0.6), 0, (20.0, 2, False)),
        ((0.1, 0.2), 0, (20.0, 2, True)),  # the greatest load tried met it, too
        ((0.1,), 1, (None, None, False)),  # a point with errors does not count
    ],
)
def test_the_capacity_is_the_best_point_of_a_curve_within_the_objective(
    seconds: tuple[float, ...], failed: int, expected: tuple[Any, ...]
) -> None:
    """A curve of 1, 2, 4, ... callers whose requests take so long."""
    name, callers = "sequential unary", [2**place for place in range(len(seconds))]
    trials = [(0, trial(name, one, [s] * (10 * one), failed=failed)) for one, s in zip(callers, seconds, strict=True)]
    capacity = made(findings(trials=trials, settings=settings(concurrencies=callers))).modes[1].capacity
    assert capacity is not None
    assert (capacity.images_per_second, capacity.concurrency, capacity.is_lower_bound) == expected
