"""The judge: what it takes, and that it is the one it says it is."""

from pathlib import Path

import numpy as np
import pytest

from tandem.cli.doctor import IDENTITY_MODEL
from tandem.measure.quality.judge import Judge, open_judge
from tandem.shared.errors import InvalidArgument
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelError
from tests.unit.tandem.measure.quality.small_world import pictures, write_judge

MODELS = Path(__file__).parents[5] / "models"


def test_it_tells_classes_and_gives_features(judge_folder: Path) -> None:
    images, labels = pictures(300, 0)  # more than one batch
    guesses, features = Judge(judge_folder / "judge.onnx").classify(images)
    assert (guesses == labels).all()
    assert features == pytest.approx(images.reshape(len(images), -1) / 127.5 - 1, abs=1e-6)


def test_images_of_another_size_are_refused(judge_folder: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"\[2, 28, 28, 1\].*\[number, 4, 4, 1\]"):
        Judge(judge_folder / "judge.onnx").classify(np.zeros((2, 28, 28), np.uint8))


def test_another_kind_of_file_is_no_judge(tmp_path: Path) -> None:
    path = tmp_path / "judge.onnx"
    path.write_bytes(IDENTITY_MODEL)
    with pytest.raises(InvalidArgument, match="outputs logits and features"):
        Judge(path)


def test_the_project_s_own_judge_is_the_frozen_one() -> None:
    digest = "0d0dfeb077a65de3feb73a5fea2fe1aa8a49b9995726d5d7facce78ac34b22b0"
    assert sha256_of(MODELS / "fashion-judge" / "judge.onnx") == open_judge(MODELS / "fashion-judge")[2] == digest


def test_a_judge_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = write_judge(tmp_path / "judge")
    with (folder / "judge.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="SHA-256"):
        open_judge(folder)


def test_another_kind_of_model_is_no_judge() -> None:
    with pytest.raises(InvalidArgument, match="kind \"judge\", with one file; this one is of a model of kind 'gan'"):
        open_judge(MODELS / "fashion-gan")


@pytest.mark.parametrize("name", ["nobody", "judge.onnx"])
def test_what_is_no_folder_of_a_judge_is_named_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would be shortened in the message
    Path("judge.onnx").touch()
    with pytest.raises(InvalidArgument, match=f"judge: '{name}' is not accepted; .*; it has no model.toml"):
        open_judge(Path(name))
