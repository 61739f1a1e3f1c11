"""The gates of the committed models, and that the committed records are of the committed weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.measure.quality import gates
from tandem.measure.quality.gates import GATED_NUM_IMAGES, GATES, verdicts
from tandem.shared.models import ModelRepository

MODELS = Path(__file__).parents[5] / "models"
RECORDS = sorted(MODELS.glob("*/evaluation.json"))


def quality(**changes: float) -> dict[str, Any]:
    good = {"fid": 1.0, "accuracy": 0.95, "precision": 0.95, "recall": 0.9, "coverage": 0.9, "worst_class_fid": 2.0}
    return {"num_images": GATED_NUM_IMAGES, "memorised": 0.0, **good, **changes}


def evaluated(models: Path, digests: dict[str, str], **changes: float) -> None:
    """Write a fashion-gan and an evaluation of weights with these digests."""
    folder = models / "fashion-gan"
    folder.mkdir()
    toml = 'kind = "gan"\nmodality = "image"\nlicence = "MIT"\n[files]\n"diversity.json" = "3"\n"generator.onnx" = '
    (folder / "model.toml").write_text(f'{toml}"{"0" * 64}"\n')
    found = {"weights_sha256": digests, "model": quality(**changes), "own_verdict": {}}
    (folder / "evaluation.json").write_text(json.dumps(found))


def test_only_the_metric_that_is_wrong_is_missed() -> None:
    found = verdicts("fashion-gan", quality(fid=2.0))
    assert found["fid"] == {"accepted": "<= 1.6", "is_met": False}
    assert [metric for metric, verdict in found.items() if not verdict["is_met"]] == ["fid"]


@pytest.mark.parametrize(("fid", "code", "word"), [(1.0, 0, "met"), (2.0, 1, "MISSED")])
def test_the_command_ends_with_1_if_a_gate_is_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fid: float, code: int, word: str
) -> None:
    evaluated(tmp_path, {"generator.onnx": "0" * 64}, fid=fid)
    assert gates.main(tmp_path) == code
    assert word in capsys.readouterr().out


@pytest.mark.parametrize("digests", [{"generator.onnx": "1" * 64}, {}])
def test_figures_of_other_weights_meet_no_gate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], digests: dict[str, str]
) -> None:
    evaluated(tmp_path, digests)
    assert gates.main(tmp_path) == 1
    said = capsys.readouterr().out
    assert "evaluate the model again" in said
    assert "fid" not in said


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_a_committed_record_is_of_the_committed_weights_by_the_fixed_protocol(path: Path) -> None:
    found = json.loads(path.read_text())
    model = ModelRepository(MODELS).get(path.parent.name)
    judge = ModelRepository(MODELS).get("fashion-judge").spec.files["judge.onnx"]
    assert found["name"] == path.parent.name
    assert found["weights_sha256"] == model.weight_digests(), "evaluate the model again"
    assert found["judge"] == {"name": "fashion-judge", "sha256": judge}
    assert (found["seed"], found["model"]["num_images"]) == (1, GATED_NUM_IMAGES)
    assert found["gates"] == verdicts(found["name"], found["model"] | found["own_verdict"])
    assert set(found["gates"]) == set(GATES.get(found["name"], {}))
