"""The diversity watch over the committed model: silent while it is healthy, loud when it has collapsed."""

import shutil
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.common.diversity.baseline import load_baseline
from services.gan.image_model import load_image_model
from services.gan.metrics import GanMetrics
from tandem.cli.models.collapse.models import write_narrowed
from tandem.cli.models.quantisation.int8_form import without_int8_form
from tandem.gan.v1 import gan_pb2
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository
from tests.integration.services.gan.conftest import Backend, running_backend, tiny_settings
from tests.integration.services.gan.tiny_onnx import GREY, write_discriminator, write_generator, write_model_toml
from training.release.diversity_baseline import main as measure_baseline

FOLDER = Path(__file__).parents[4] / "models" / "fashion-gan"

ALARMS = "tandem_diversity_alarms_total"
IMAGES = "tandem_diversity_images_total"


@pytest.fixture
def repository(tmp_path):
    """A repository with a copy of the committed model, called made."""
    shutil.copytree(FOLDER, tmp_path / "models" / "made")
    return tmp_path / "models"


def replace_generator(repository: Path, write) -> None:
    """Put another generator where the released one was; the baseline stays."""
    file, toml = repository / "made" / "generator.onnx", repository / "made" / "model.toml"
    released = sha256_of(file)
    write(FOLDER / "generator.onnx", file)
    toml.write_text(without_int8_form(toml.read_text()).replace(released, sha256_of(file)))


def settings(repository: Path, **changes: object):
    return tiny_settings(
        repository,
        **{
            "models": ["made"],
            "diversity_max_per_second": 1e6,
            "max_batch_size": 64,
            "max_queued_images": 4096,
            "max_images_per_stream": 100_000,
        }
        | changes,
    )


async def draw(backend: Backend, count: int, **fields: object) -> None:
    """Have images drawn, as a client does."""
    sample = gan_pb2.SampleRequest(count=count, **fields)
    async for _ in backend.stub.SampleStream(gan_pb2.SampleStreamRequest(sample=sample)):
        pass


async def alarms_after(repository: Path, count: int, **fields: object) -> tuple[float, float, Backend]:
    """Return (variance alarms, duplicate alarms) after `count` images at the default rate, and the stopped backend."""
    async with running_backend(settings(repository)) as backend:
        await draw(backend, count, **fields)
    variance, duplicates = (backend.sample(ALARMS, model="made", kind=kind) for kind in ("variance", "duplicates"))
    return variance, duplicates, backend


async def test_healthy_for_ten_thousand_images_is_silent_and_near_1(repository, caplog):
    variance, duplicates, backend = await alarms_after(repository, 10_000, seed=11)
    assert (variance, duplicates) == (0, 0)
    assert backend.sample(IMAGES, model="made", outcome="watched") == pytest.approx(10_000 / 32, rel=0.2)
    assert 0.7 < backend.sample("tandem_diversity_variance_ratio", model="made", **{"class": "all"}) < 1.4
    assert 0.3 < backend.sample("tandem_diversity_nearest_ratio", model="made", **{"class": "all"}) < 1.4
    assert "over and over" not in caplog.text
    assert "grown alike" not in caplog.text


async def test_a_generator_of_narrow_latents_draws_images_alike(repository, caplog):
    replace_generator(repository, partial(write_narrowed, factor=0.25))
    variance, _, backend = await alarms_after(repository, 10_000, seed=11)
    assert variance > 0
    assert backend.sample("tandem_diversity_variance_ratio", model="made", **{"class": "all"}) < 0.8
    assert "made, class all: its images have grown alike" in caplog.text


async def test_a_healthy_generator_that_is_always_asked_to_truncate_is_silent(repository, caplog):
    """Images of a truncation between two yardsticks are held against the narrower one."""
    async with running_backend(settings(repository, diversity_every=4)) as backend:
        await draw(backend, 2_000, seed=11, truncation=0.9)
    assert [backend.sample(ALARMS, model="made", kind=kind) for kind in ("variance", "duplicates")] == [0, 0]
    # Some of 500 are dropped where the machine is busy.
    assert backend.sample(IMAGES, model="made", outcome="watched") > 150
    scope = {"class": "all, truncation 0.7"}
    # Drawn at random, one image in four: .69 has been seen.
    assert 0.5 < backend.sample("tandem_diversity_variance_ratio", model="made", **scope) < 2.0
    assert "grown alike" not in caplog.text


async def test_a_class_that_varies_less_the_less_it_is_truncated_raises_no_alarm(repository):
    """Trousers just inside a yardstick of which they are at the far end."""
    async with running_backend(settings(repository, diversity_every=4)) as backend:
        await draw(backend, 2_000, seed=11, labels=[1], truncation=0.99)
    assert [backend.sample(ALARMS, model="made", kind=kind) for kind in ("variance", "duplicates")] == [0, 0]
    assert backend.sample("tandem_diversity_variance_ratio", model="made", **{"class": "trouser, truncation 0.7"}) > 0


async def test_a_collapse_is_seen_by_who_always_truncates(repository, caplog):
    replace_generator(repository, partial(write_narrowed, factor=0.25))
    async with running_backend(settings(repository, diversity_every=4)) as backend:
        await draw(backend, 2_000, seed=11, truncation=1.0)
    assert backend.sample(ALARMS, model="made", kind="variance") > 0
    assert "made, class all, truncation 1: its images have grown alike" in caplog.text


async def test_images_that_the_user_narrowed_otherwise_are_not_watched(repository):
    async with running_backend(settings(repository, diversity_every=1)) as backend:
        await draw(backend, 500, seed=3, truncation=0.4)
        latents = gan_pb2.Latents(values=[0.0] * 64 * 16)
        await backend.stub.Sample(gan_pb2.SampleRequest(count=16, latents=latents))
    assert [backend.sample(IMAGES, model="made", outcome=outcome) for outcome in ("watched", "dropped")] == [0, 0]


def loaded(repository: Path, **changes: object):
    model = ModelRepository(repository).get("made")
    return load_image_model(model, settings(repository, **changes), GanMetrics(CollectorRegistry()))


async def test_a_baseline_of_another_discriminator_is_not_used(repository, caplog):
    path, toml = repository / "made" / "diversity.json", repository / "made" / "model.toml"
    before = sha256_of(path)
    path.write_text(path.read_text().replace(sha256_of(FOLDER / "discriminator.onnx"), "0" * 64))
    toml.write_text(toml.read_text().replace(before, sha256_of(path)))
    assert loaded(repository).watch is None
    assert "its baseline is of another discriminator" in caplog.text


@pytest.mark.parametrize("features", ["discriminator", "pixels"])
def test_the_command_measures_a_baseline_that_the_service_takes(tmp_path, monkeypatch, features):
    folder = tmp_path / "models" / "made"
    folder.mkdir(parents=True)
    write_generator(folder / "generator.onnx", GREY)
    write_discriminator(folder / "discriminator.onnx")
    write_model_toml(folder, GREY, classes=True, discriminator=True)
    for _ in range(2):  # the second time it renews what it wrote
        monkeypatch.setattr("sys.argv", ["measure", "--model", str(folder), "--features", features])
        measure_baseline()
    baseline = load_baseline(folder / "diversity.json", ("class 0", "class 1", "class 2"))
    assert baseline.features == features
    assert baseline.changed_files(folder) == []
    assert all(each.variance > 0 for each in baseline.classes)
    assert loaded(folder.parent).watch is not None
