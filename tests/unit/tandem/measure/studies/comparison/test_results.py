"""From requests whose times are known to the figures of a document, and the document to a file and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tandem.measure.report.sentences.audits import problems
from tandem.measure.report.sentences.comparison import caveats, least_difference
from tandem.measure.results.comparison import Comparison, Contrast
from tandem.measure.results.files import read_as
from tandem.measure.studies.comparison.results import comparison
from tests.unit.tandem.measure.studies.comparison.seen import MODES, PAIR, findings, one_caller, settings, trial


def made(found: Any, **changes: Any) -> Comparison:
    return comparison("127.0.0.1:1", PAIR, settings(**changes), found)


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
    rate = point.images_per_second
    assert (rate.value, rate.low, rate.high, rate.method, rate.count) == (20.0, 10.0, 30.0, "range", 2)
    assert point.latency.p50 is not None
    assert (point.latency.p50.value, point.latency.p50.low, point.latency.p50.high) == (0.1, 0.1, 0.2)
    servers = point.cpu_seconds_per_image.servers
    assert servers is not None
    assert servers.value == pytest.approx(1.0 / 40)
    assert point.client_cpu_share == pytest.approx(0.2)
    assert [trial.num_images for trial in point.trials] == [30, 10]
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


def test_eight_rounds_have_confidence_intervals() -> None:
    random = np.random.default_rng(2)
    trials = [
        (number, trial(mode, 4, random.exponential(scale, 50).tolist()))
        for number in range(8)
        for mode, scale in (("sequential unary", 1.0), ("parallel unary", 0.1))
    ]
    document = made(findings(trials=trials))
    found = the(document, "sequential unary", "parallel unary", 4, "latency_p50_seconds")
    assert found.ratio is not None
    assert found.ratio.method == "bca"
    assert found.ratio.low is not None
    assert found.ratio.high is not None
    assert found.ratio.low < 10.0 < found.ratio.high


def test_unknown_cpu_time_is_none_and_not_zero() -> None:
    unknown = {"gateway_cpu_seconds": None, "backend_cpu_seconds": None}
    document = made(findings(trials=[(0, trial("parallel unary", 1, [0.1], **unknown))]))
    cpu = document.modes[3].curve[0].cpu_seconds_per_image
    assert (cpu.gateway, cpu.backend, cpu.servers) == (None, None, None)
    assert cpu.client.value == 0.2
    assert not any(each.metric == "cpu_seconds_per_image" for each in document.contrasts)


def test_only_rounds_that_both_modes_were_in_are_contrasted() -> None:
    trials = [
        (0, trial("parallel unary", 1, [0.1] * 5)),
        (0, trial("sequential unary", 1, [0.5] * 5)),
        (1, trial("parallel unary", 1, [9.0] * 5)),
    ]
    found = the(made(findings(trials=trials)), "sequential unary", "parallel unary", 1, "latency_p50_seconds")
    assert (found.first_value, found.second_value) == (0.5, 0.1)


def test_what_a_reader_must_know_is_said() -> None:
    trials = [(number, trial("parallel unary", 1, [0.1], client_cpu_seconds=0.95)) for number in range(2)]
    text = " ".join(caveats(made(findings(trials=trials))))
    for part in (
        "shared the cores of one machine",
        "The client itself was the limit",
        "parallel unary with 1 callers",
        "of 2 rounds",
    ):
        assert part in text


def controlled(*shares: float) -> Comparison:
    """Return the document of rounds in which the second of equal calls takes so many times as long as the first."""
    times = {"sequential_streamed": 0.1, "sequential_unary": 0.08, "parallel_streamed": 0.002, "parallel_unary": 0.002}
    seen = []
    for number, share in enumerate(shares):
        again = {"sequential_unary,_again": 0.08 * share, "parallel_unary,_again": 0.002}
        seen += [(number, one) for _, one in one_caller(1, **times, **again)]
    return made(findings(trials=seen), concurrencies=(1,), control=True)


def test_a_control_tells_how_far_equal_things_differ() -> None:
    document = controlled(*[1.25] * 20)
    assert [mode.name for mode in document.modes] == list(MODES)
    assert {each.second for each in document.controls} == {"sequential unary, again", "parallel unary, again"}
    assert not any("again" in each.second for each in document.contrasts)
    found = least_difference(document.controls, 1, "latency_p50_seconds")
    assert found == pytest.approx(0.25)
    assert least_difference(document.controls, 64, "images_per_second") is None
    assert least_difference(made(findings()).controls, 1, "latency_p50_seconds") is None


def test_the_sides_of_a_control_count_alike() -> None:
    """Half as long is as far off as twice as long."""
    for share in (0.5, 2.0):
        found = least_difference(controlled(*[share] * 20).controls, 1, "latency_p50_seconds")
        assert found == pytest.approx(1.0)


def test_runs_in_which_the_generator_was_not_good_enough_are_a_problem() -> None:
    found = findings()
    found.audited_runs.invalid.append("alone: event loop late")
    document = made(found)
    assert document.audits.invalid == ("alone: event loop late",)
    assert not document.is_sound
    assert next(problems(document)).startswith("INVALID")


def test_nothing_seen_is_a_document_too() -> None:
    document = made(findings(stop_reason="broken off by hand"))
    assert document.is_partial
    assert document.problems == ("broken off by hand",)
    assert [(mode.name, mode.alone, mode.curve, mode.capacity) for mode in document.modes] == [
        (name, None, (), None) for name in MODES
    ]
    assert Comparison.model_validate_json(document.model_dump_json()) == document


def test_a_document_goes_to_a_file_and_back(tmp_path: Path) -> None:
    trials = [(0, trial(mode, number, [0.1, 0.2])) for mode in MODES for number in (1, 4)]
    document = made(findings(trials=trials))
    file = tmp_path / "comparison.json"
    file.write_text(document.model_dump_json(indent=2))
    assert read_as(file, Comparison) == document
