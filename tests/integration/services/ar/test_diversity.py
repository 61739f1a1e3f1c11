"""The diversity watch over a sequential image model: silent while it is healthy, loud when it has collapsed."""

import shutil

import pytest
from safetensors.torch import load_file, save_file

from services.ar.settings import ArSettings
from services.common.diversity.baseline import load_baseline
from tandem.ar.v1 import ar_pb2
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository
from tests.integration.services.ar.conftest import Backend, serving
from tests.tiny_models import CLASS_NAMES, FIRST_CLASS_TOKEN, NUM_CLASSES, NUM_TOKENS, add_image_model
from training.release import diversity_baseline

ALARMS = "tandem_diversity_alarms_total"
IMAGES = "tandem_diversity_images_total"
NUM_CHOICES = 16


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The folder of a tiny model, its baseline measured by the command."""
    folder = add_image_model(tmp_path_factory.mktemp("models"), "made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diversity_baseline, "NUM_IMAGES", 60)
        patch.setattr("sys.argv", ["measure", "--model", str(folder)])
        diversity_baseline.main()
    return folder


@pytest.fixture
def repository(tmp_path, released):
    """A repository with a copy of it."""
    shutil.copytree(released, tmp_path / "models" / "made")
    return tmp_path / "models"


def collapse(folder) -> None:
    """Sharpen what the model expects so much that each class has one image, or nearly so; the baseline stays."""
    file, toml = folder / "model.safetensors", folder / "model.toml"
    released = sha256_of(file)
    tensors = load_file(file)
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * 1000
    save_file(tensors, file, {"format": "pt"})
    toml.write_text(toml.read_text().replace(released, sha256_of(file)))


UNBOUNDED = {"device": "cpu", "diversity_every": 1, "diversity_max_per_second": 1e6}


def settings(repository, **changes: object) -> ArSettings:
    return ArSettings(models_dir=repository, models=["made"], **UNBOUNDED | changes)


async def draw(backend: Backend, num_requests: int, seed: int | None = None, **sampling: object) -> None:
    """Have 16 images drawn a request, one class after another."""
    for number in range(num_requests):
        sampling |= {"n": NUM_CHOICES, "seed": 1000 + number if seed is None else seed}
        await backend.generate(ar_pb2.GenerateRequest(class_label=number % NUM_CLASSES, sampling=sampling))


def watched(backend: Backend) -> float:
    """Return how many images were looked at; only once the backend has stopped."""
    return backend.sample(IMAGES, model="made", outcome="watched")


def alarms(backend: Backend) -> dict[str, float]:
    return {kind: backend.sample(ALARMS, model="made", kind=kind) for kind in ("variance", "duplicates")}


async def test_the_command_measures_a_baseline_of_what_draws(repository):
    folder = repository / "made"
    baseline = load_baseline(folder / "diversity.json", CLASS_NAMES)
    assert baseline.features == "pixels"
    assert sorted(baseline.measured_for) == ["model.safetensors", "token_decoder.onnx"]
    assert baseline.changed_files(folder) == []
    ModelRepository(repository).get("made").verify_files()


async def test_a_healthy_model_is_watched_in_silence(repository):
    async with serving(settings(repository)) as backend:
        await draw(backend, 20)
    # On a busy machine the watch falls behind, and drops what it has no time for; all are counted.
    dropped = backend.sample(IMAGES, model="made", outcome="dropped")
    assert watched(backend) + dropped == 20 * NUM_CHOICES
    assert alarms(backend) == {"variance": 0, "duplicates": 0}
    assert 0.7 < backend.sample("tandem_diversity_variance_ratio", model="made", **{"class": "all"}) < 1.4


async def test_a_model_with_one_picture_a_class_raises_both_alarms(repository, caplog):
    collapse(repository / "made")
    async with serving(settings(repository)) as backend:
        await draw(backend, 20)
    assert all(alarms(backend).values())
    assert "made: the diversity baseline is that of another model.safetensors" in caplog.text
    assert "made, class all: it draws the same images over and over" in caplog.text


async def test_what_the_user_narrowed_began_or_did_not_finish_is_not_watched(repository):
    async with serving(settings(repository)) as backend:
        for narrower in ({"temperature": 0.5}, {"top_k": 5}, {"top_p": 0.5}, {"max_tokens": 48}):
            await draw(backend, 1, **narrower)
        begun = {"ids": [FIRST_CLASS_TOKEN, *range(NUM_TOKENS // 2)]}
        await backend.generate(ar_pb2.GenerateRequest(tokens=begun, sampling={"n": NUM_CHOICES}))
    assert watched(backend) == 0


async def test_a_user_who_repeats_a_seed_raises_no_alarm(repository):
    async with serving(settings(repository)) as backend:
        await draw(backend, 20, seed=5)
    assert alarms(backend) == {"variance": 0, "duplicates": 0}


async def test_it_can_be_turned_off(repository):
    async with serving(settings(repository, diversity_every=0)) as backend:
        await draw(backend, 2)
    assert watched(backend) == 0
