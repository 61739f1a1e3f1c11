"""The bits that are foretold are the costs of the groups that the service takes; those of the committed model hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tandem.measure.studies.steps.prediction import predicted_bits

MODELS = Path("models")


def test_the_committed_costs_foretell_what_was_measured_within_a_tenth() -> None:
    measured = {
        point["steps"]: point["bits_per_token"]
        for point in json.loads((MODELS / "fashion-sar" / "steps.json").read_text())["points"]
    }
    found = predicted_bits(MODELS, "fashion-sar", tuple(measured))
    assert list(found) == list(measured)
    for steps in (1, 2, 4, 8):
        assert found[steps] - found[49] == pytest.approx(measured[steps] - measured[49], rel=0.1)


def test_who_has_no_costs_has_no_prediction() -> None:
    assert predicted_bits(MODELS, "fashion-ar", (1, 2)) == {}
    assert predicted_bits(MODELS, "served-from-elsewhere", (1, 2)) == {}
