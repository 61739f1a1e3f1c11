"""A comparison of a tiny random sequential image model and the committed GAN, through the real processes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tandem.shared.models import ModelRepository
from tests.e2e.stacks import running_stack
from tests.integration.tandem.cli.commands import assert_all_went_well, run, tandem
from tests.tiny_models import CLASS_NAMES, add_image_model


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gateway's, at ports of its own: it tells where the metrics of all processes are."""
    models_dir = tmp_path_factory.mktemp("models")
    folder = add_image_model(models_dir)
    spec = ModelRepository(Path("models")).get("fashion-gan").spec
    assert spec.image is not None
    toml = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(toml.replace(str(list(CLASS_NAMES)), str(list(spec.image.class_names))))
    with running_stack(ar=("--models", "tiny-image", "--models-dir", str(models_dir))) as stack:
        yield stack.address


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise instead of Fashion-MNIST: the figures say nothing, but they are all there."""
    random = np.random.default_rng(1)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = random.integers(0, 256, (200, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.repeat(np.arange(10), 20)
    path = tmp_path_factory.mktemp("data") / "noise.npz"
    np.savez(path, **arrays)
    return path


async def test_everything_is_measured_of_the_real_processes(address: str, reference: Path, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    load = ("--callers", "4", "--rounds", "2", "--trial", "0.3")
    quality = ("--quality-images", "150", "--reference", str(reference))
    places = ("--json", str(file), "--address", address)
    ended = await run(*tandem("bench", "compare", *load, *quality, *places))
    document = json.loads(file.read_text())
    assert_all_went_well(ended, document)
    assert [model["name"] for model in document["models"]] == ["tiny-image", "fashion-gan"]
    for mode in document["modes"]:
        assert set(mode["codes"]) == {"OK"}
        for point in mode["curve"]:
            cpu = point["cpu_seconds_per_image"]
            assert cpu["gateway"]["value"] + cpu["backend"]["value"] == pytest.approx(cpu["servers"]["value"])
            assert 0 < cpu["servers"]["value"] < 10
            assert point["phases"]["parts"]["outside"]["mean_seconds"] < point["phases"]["latency_mean_seconds"]
    streamed, unary = document["modes"][:2]
    first, whole = (
        streamed["curve"][0][name]["distribution"]["seconds"]["p50"] for name in ("first_output", "latency")
    )
    assert first < whole
    assert unary["curve"][0]["first_output"] == unary["curve"][0]["latency"]
    for served in document["served"]:
        assert served["quality"]["model"]["num_images"] == 150
        with Image.open(io.BytesIO(base64.b64decode(served["samples_png"]))) as samples:
            assert samples.size == (10 * 29 - 1, 10 * 29 - 1)
            assert np.asarray(samples).std() > 10
    # The judge knows what the GAN draws.
    assert document["served"][1]["quality"]["model"]["accuracy"] > 0.8
