"""The matched pair through the real processes, compared and fitted, and a large model. No speed is asserted."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from tandem.client import TandemClient
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tandem.measure.report.prose import answers
from tandem.measure.results.crossover import Crossover
from tandem.measure.results.files import read_as
from tests.contract.pages import ROOT
from tests.e2e.stacks import running_stack
from tests.integration.tandem.cli.commands import assert_all_went_well, run, tandem
from tests.large_generator import add_large_generator

NUM_LARGE, SHAPE = 64, (128, 128, 3)
LARGE = gan_pb2.SampleRequest(model="large", count=NUM_LARGE, seed=3, encoding=images_pb2.ENCODING_RAW_FLOAT32)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    models_dir = tmp_path_factory.mktemp("models")
    for name in ("fashion-ar", "fashion-gan"):
        (models_dir / name).symlink_to(ROOT / "models" / name)
    add_large_generator(models_dir, width=4)
    place = ("--models-dir", str(models_dir))
    with running_stack(ar=("--models", "fashion-ar", *place), gan=("--models", "fashion-gan,large", *place)) as stack:
        yield stack.address


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Noise instead of Fashion-MNIST: the figures say nothing, but they are all there."""
    random = np.random.default_rng(1)
    arrays = {}
    for split in ("train", "test"):
        arrays[f"{split}_images"] = random.integers(0, 256, (200, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.repeat(np.arange(10), 20)
    np.savez(tmp_path / "noise.npz", **arrays)
    return tmp_path / "noise.npz"


async def test_a_comparison_has_every_figure(address: str, noise: Path, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    load = ("--callers", "4", "--rounds", "1", "--trial", "0.3", "--no-control")
    quality = ("--quality-images", "100", "--reference", str(noise))
    ended = await run(*tandem("bench", "compare", *load, *quality, "--json", str(file), "--address", address))
    document = json.loads(file.read_text())
    assert_all_went_well(ended, document)
    assert [model["name"] for model in document["models"]] == ["fashion-ar", "fashion-gan"]
    for mode in document["modes"]:
        assert set(mode["codes"]) == {"OK"}
        for point in mode["curve"]:
            cpu = {name: figure["value"] for name, figure in point["figures"].items() if "cpu" in name}
            servers = cpu["gateway_cpu_seconds_per_image"] + cpu["backend_cpu_seconds_per_image"]
            assert 0 < cpu["cpu_seconds_per_image"] < 10
            assert cpu["cpu_seconds_per_image"] == pytest.approx(servers)
            assert point["phases"]["parts"]["outside"]["mean_seconds"] < point["phases"]["latency_mean_seconds"]
    streamed, unary = document["modes"][:2]
    first, whole = (streamed["curve"][0][name]["seconds"]["p50"] for name in ("first_output", "latency"))
    assert first <= whole
    assert unary["curve"][0]["first_output"] == unary["curve"][0]["latency"]
    for served in document["served"]:
        assert served["quality"]["model"]["num_images"] == 100
        assert served["quality"]["model"]["accuracy"] > 0.8  # the judge knows what both draw
        with Image.open(io.BytesIO(base64.b64decode(served["samples_png"]))) as samples:
            assert samples.size == (10 * 29 - 1, 10 * 29 - 1)
            assert np.asarray(samples).std() > 10


async def test_a_fit_and_its_report(address: str, tmp_path: Path) -> None:
    load = ("--concurrency", "16", "--climb-seconds", "2", "--rounds", "1", "--trial-seconds", "0.5", "--trials", "2")
    fit = await run(*tandem("bench", "fit", *load, "--out", str(tmp_path), "--address", address))
    found = read_as(tmp_path / "crossover.json", Crossover)
    # Whether the generator was good enough is the machine's affair; if it was not, that must be said.
    assert fit.code == (0 if found.is_sound else 1), fit.err
    assert (found.problems, found.is_partial) == ((), False)
    sequential, parallel = found.services
    assert (sequential.model, sequential.num_steps, parallel.model) == ("fashion-ar", 49, "fashion-gan")
    assert sequential.unit.points[-1].x > sequential.unit.points[0].x
    numbers = [len(capacity.trials) for capacity in found.capacities]
    assert min(numbers) == 2
    assert {answer.key for answer in answers(found)} >= {"p50", "p99", "capacity", "cost"}
    assert len(found.runs) == 4 + sum(numbers)
    out = tmp_path / "report.html"
    report = await run(*tandem("bench", "report", str(tmp_path), "--out", str(out)))
    assert report.code == 0, report.err
    assert answers(found)[0].text in out.read_text().replace("&#39;", "'")


def test_a_plain_client_draws_what_fits_no_message_as_a_stream(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        stub = gan_pb2_grpc.GanServiceStub(channel)
        parts = [message.part for message in stub.SampleStream(gan_pb2.SampleStreamRequest(sample=LARGE))]
    pixels = np.frombuffer(b"".join(part.images.data for part in parts), "<f4").reshape(NUM_LARGE, *SHAPE)
    assert np.abs(pixels).max() <= 1
    assert len(np.unique(pixels.reshape(NUM_LARGE, -1), axis=0)) == NUM_LARGE
    with TandemClient(address) as client:  # which does so by itself
        images = client.sample(NUM_LARGE, model="large", seed=3, encoding="float32")
    np.testing.assert_array_equal(images.pixels, pixels)
