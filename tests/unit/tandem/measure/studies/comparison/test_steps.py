"""From what was seen over steps, which is known, to the document, and the document to a file and back."""

import json
from pathlib import Path

import pytest

from tandem.measure.report.findings import points_of
from tandem.measure.results.files import read_result, write_document
from tandem.measure.studies.comparison.compare import comparison
from tandem.measure.studies.comparison.steps import predict_bits
from tests.unit.tandem.measure.studies.steps.imagined import (
    PAIR,
    STEPS,
    document,
    excess_bits,
    findings,
    quality_of,
    seconds_of,
)


def test_every_point_is_of_its_own_way(tmp_path: Path) -> None:
    found = document()
    modes = PAIR.modes()
    assert [point.steps for point in points_of(found)] == [*STEPS, None, None]
    assert [point.mode.model for point in points_of(found)] == ["sar"] * len(STEPS) + ["ar", "gan"]
    for point, mode in zip(points_of(found), modes, strict=True):
        assert point.mode.alone is not None
        assert point.mode.alone.figures["latency_p50_seconds"].value == pytest.approx(seconds_of(mode))
        assert [each.concurrency for each in point.mode.curve] == [1, 4]
        assert point.quality == quality_of(mode)
    assert found.is_sound
    write_document(tmp_path / "steps.json", found)
    assert read_result(tmp_path / "steps.json") == found


def test_bits_over_the_most_steps_are_of_pairs_and_much_surer_than_the_bits() -> None:
    for point in points_of(document())[: len(STEPS) - 1]:
        assert point.steps is not None
        assert point.bits_over_most is not None
        assert point.bits_over_most.value == pytest.approx(excess_bits(point.steps))
        assert point.bits_over_most.high == pytest.approx(point.bits_over_most.low)
        assert point.bits_per_token is not None
        assert point.bits_per_token.high is not None
        assert point.bits_per_token.high > point.bits_per_token.value + 0.05
    most, plain, parallel = points_of(document())[len(STEPS) - 1 :]
    assert most.bits_over_most is None
    assert plain.bits_per_token is not None
    assert plain.bits_over_most is None
    assert parallel.bits_per_token is None


def test_predictions_stand_beside_what_was_measured_where_there_are_some() -> None:
    found = [point.predicted_over_most for point in points_of(document())]
    assert found[:4] == pytest.approx([1.1 * excess_bits(steps) for steps in STEPS[:4]])
    assert found[4:] == [None] * 5


def test_without_likelihoods_and_quality_the_rest_is_there() -> None:
    found = comparison("127.0.0.1:1", PAIR, findings())
    assert found.num_scored == 0
    assert {point.bits_per_token for point in points_of(found)} == {None}
    assert all(point.mode.alone is not None for point in points_of(found))


MODELS = Path("models")


def test_the_committed_costs_foretell_what_was_measured_within_a_tenth() -> None:
    points = json.loads((MODELS / "fashion-sar" / "steps.json").read_text())["points"]
    measured = {point["steps"]: point["bits_per_token"] for point in points}
    bits = predict_bits(MODELS, "fashion-sar", tuple(measured))
    assert list(bits) == list(measured)
    for steps in (1, 2, 4, 8):
        assert bits[steps] - bits[49] == pytest.approx(measured[steps] - measured[49], rel=0.1)
    for without in ("fashion-ar", "served-from-elsewhere"):
        assert predict_bits(MODELS, without, (1, 2)) == {}
