"""A whole evaluation of either paradigm, from the gateway to the files."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tandem.measure.quality.drawing import Sampling
from tandem.measure.quality.protocol import Protocol, balanced_labels, run
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ModelSpec
from tandem.shared.models import Model
from tests.unit.tandem.measure.quality.small_world import CLASS_NAMES, SmallGateway

MODELS = Path(__file__).parents[5] / "models"
FILES = {"generator.onnx": "0123", "diversity.json": "4567"}
SPEC = ModelSpec(kind="gan", modality="image", licence="MIT", files=FILES)
ENTRY = Model(name="small-gan", folder=MODELS, spec=SPEC)


@pytest.fixture
def protocol(judge_folder: Path, reference_file: Path) -> Protocol:
    return Protocol("small-gan", 90, Sampling(1), judge_folder, reference_file, ENTRY)


async def evaluated(protocol: Protocol, gateway: SmallGateway, folder: Path) -> dict[str, Any]:
    return await asyncio.to_thread(run, protocol, gateway.address, folder, lambda _: None)


@pytest.mark.parametrize(
    ("name", "paradigm", "settings"),
    [("small-gan", "parallel", ["truncation"]), ("small-ar", "sequential", ["temperature", "top_p", "steps"])],
)
async def test_the_record_and_the_picture_are_written(
    judge_folder: Path,
    reference_file: Path,
    gateway: SmallGateway,
    tmp_path: Path,
    name: str,
    paradigm: str,
    settings: list[str],
) -> None:
    protocol = Protocol(name, 90, Sampling(1), judge_folder, reference_file, ENTRY)
    found = await evaluated(protocol, gateway, tmp_path / "new")
    assert json.loads((tmp_path / "new" / "evaluation.json").read_text()) == found
    assert (found["name"], found["paradigm"], found["seed"]) == (name, paradigm, 1)
    assert found["sampling"] == dict.fromkeys(settings)
    assert found["weights_sha256"] == {"generator.onnx": "0123"}
    assert found["judge"]["name"] == "small-judge"
    assert len(found["judge"]["sha256"]) == 64
    assert (found["data_set"], found["num_test_images"]) == ("lines", 90)
    assert found["class_names"] == list(CLASS_NAMES)
    assert found["model"]["num_images"] == found["floor"]["num_images"] == 90
    assert found["model"]["accuracy"] == 1.0
    assert len(found["model"]["classes"]) == len(found["floor"]["classes"]) == len(CLASS_NAMES)
    assert found["gates"] == {}
    assert found["views"]["model"]["judge"]["value"] == found["model"]["fid"]
    assert found["views"]["floor"]["judge"]["value"] == found["floor"]["fid"]
    assert found["views"]["tokenizer"] is None
    with Image.open(tmp_path / "new" / "evaluation.png") as picture:
        assert picture.width > 1000


async def test_a_model_of_other_classes_is_refused(protocol: Protocol, gateway: SmallGateway, tmp_path: Path) -> None:
    gateway.parallel.num_classes = 10
    with pytest.raises(InvalidArgument, match="3 classes, as lines has; it has 10"):
        await evaluated(protocol, gateway, tmp_path)
    assert gateway.parallel.requests == []


async def test_a_judge_of_other_classes_is_refused(reference_file: Path, gateway: SmallGateway, tmp_path: Path) -> None:
    judge = MODELS / "fashion-judge"
    with pytest.raises(InvalidArgument, match="a judge of 3 classes, as lines has; it has 10"):
        await evaluated(Protocol("small-gan", 90, Sampling(1), judge, reference_file, None), gateway, tmp_path)


@pytest.mark.parametrize("count", [31, 27, 0])
def test_a_number_that_does_not_fit_the_classes_is_refused(count: int) -> None:
    with pytest.raises(InvalidArgument, match=r"num-samples.*multiple of 3"):
        balanced_labels(count, 3)
