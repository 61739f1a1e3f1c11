"""What loads, what does not, and what is said of it."""

import pickle

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from prometheus_client import CollectorRegistry

from services.common.runtimes.onnx_session import ProviderError, choose_providers, num_cuda_devices, open_session
from services.gan.generator import Generator, Latents
from services.gan.image_model import load_image_model
from services.gan.metrics import GanMetrics
from tandem.shared.models import ModelError, ModelRepository
from tests.integration.services.gan.conftest import tiny_settings
from tests.integration.services.gan.tiny_onnx import (
    COLOUR,
    GREY,
    LATENT_DIM,
    expected_images,
    write_discriminator,
    write_generator,
    write_model_toml,
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "models" / "made"
    folder.mkdir(parents=True)
    return folder


def load(folder, registry=None, **changes):
    model = ModelRepository(folder.parent).get(folder.name)
    return load_image_model(model, tiny_settings(folder.parent, **changes), GanMetrics(registry or CollectorRegistry()))


def drawn(folder, latents, provider="cpu"):
    """Return the images that the folder's generator makes of the latents, without a batcher."""
    image = ModelRepository(folder.parent).get(folder.name).spec.image
    session = open_session(folder / "generator.onnx", provider)
    return Generator(session, image).draw(latents)


@pytest.mark.parametrize(
    ("shape", "label", "layout"),
    [
        (GREY, "int64", "NCHW"),
        (GREY, "int32", "NHWC"),
        (GREY, "none", "NHWC"),
        (COLOUR, "one-hot", "NHWC"),
        (COLOUR, "int64", "NHWC"),
    ],
)
async def test_any_latent_to_image_model_loads_and_draws(folder, shape, label, layout):
    write_generator(folder / "generator.onnx", shape, label, layout)
    write_model_toml(folder, shape, classes=label != "none")
    load(folder)
    vectors = np.random.default_rng(0).standard_normal((5, LATENT_DIM)).astype(np.float32)
    labels = None if label == "none" else np.array([0, 1, 2, 1, 0])
    images = drawn(folder, Latents(vectors, labels))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected_images(vectors, labels, shape), atol=1e-5)


async def test_instances_and_providers_are_as_asked_and_as_reported(folder):
    write_generator(folder / "generator.onnx", GREY)
    write_discriminator(folder / "discriminator.onnx")
    write_model_toml(folder, GREY, classes=True, discriminator=True)
    registry = CollectorRegistry()
    loaded = load(folder, registry, num_instances=3)
    assert loaded.num_instances == 3
    assert loaded.providers == ["CPUExecutionProvider"]
    for network in ("generator", "discriminator"):
        labels = {"model": "made", "network": network, "provider": "CPUExecutionProvider", "place": "0"}
        assert registry.get_sample_value("tandem_execution_provider_info", labels) == 1


def test_pickle_in_an_onnx_file_is_refused_and_not_run(folder, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    (folder / "generator.onnx").write_bytes(pickle.dumps(Bomb()))
    write_model_toml(folder, GREY, classes=True)
    with pytest.raises(ModelError, match=r"generator\.onnx: not a usable ONNX file"):
        load(folder)
    assert not (tmp_path / "exploded").exists()


def test_a_changed_file_is_not_loaded(folder):
    write_generator(folder / "generator.onnx", GREY)
    write_model_toml(folder, GREY, classes=True)
    with (folder / "generator.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match=r"generator\.onnx: SHA-256 is"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (f"latent_dim = {LATENT_DIM}|latent_dim = 9", r"expected float \[batch, 9\], found .*noise"),
        ("shape = [4, 4, 1]|shape = [2, 4, 1]", r"expected images \[batch, 1, 2, 4\] .* gave \[2, 1, 4, 4\]"),
        ("class_names = |#", "class_names is empty, found class"),
        (f"latent_dim = {LATENT_DIM}|", r"needs generator, image\.shape and image\.latent_dim"),
        ('kind = "gan"|kind = "judge"', "not an image gan"),
        ("value_range|value_rnge", "Extra inputs"),
    ],
)
def test_model_toml_that_does_not_fit_the_file(folder, change, words):
    write_generator(folder / "generator.onnx", GREY)
    write_model_toml(folder, GREY, classes=True)
    text = (folder / "model.toml").read_text().replace("[image]", "[image]\nvalue_range = [-1.0, 1.0]")
    before, after = change.split("|")
    assert before in text
    (folder / "model.toml").write_text(text.replace(before, after))
    with pytest.raises(ModelError, match=words):
        load(folder)


def test_batch_size_fixed_inside_the_graph_is_refused_by_the_file_s_name(folder):
    path = folder / "generator.onnx"
    write_generator(path, GREY)
    model = onnx.load(path)
    (target,) = [each for each in model.graph.initializer if each.name == "target"]
    target.CopyFrom(numpy_helper.from_array(np.array([1, 1, 4, 4]), "target"))
    onnx.save(model, path)
    write_model_toml(folder, GREY, classes=True)
    with pytest.raises(ModelError, match=rf"generator\.onnx: fails on .*noise \[2, {LATENT_DIM}\]"):
        load(folder)


def test_discriminator_in_place_of_the_generator(folder):
    write_discriminator(folder / "generator.onnx")
    write_model_toml(folder, GREY, classes=True)
    with pytest.raises(ModelError, match=r"generator\.onnx: no latent input: .*found picture"):
        load(folder)


def test_generator_in_place_of_the_discriminator(folder):
    for file in ("generator.onnx", "discriminator.onnx"):
        write_generator(folder / file, GREY)
    write_model_toml(folder, GREY, classes=True, discriminator=True)
    with pytest.raises(ModelError, match=r"discriminator\.onnx: no image input"):
        load(folder)


@pytest.mark.skipif(num_cuda_devices() > 0, reason="there is a CUDA device")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_provider_asked_for_by_name_is_had_or_refused(provider):
    with pytest.raises(ProviderError, match=provider):
        choose_providers(provider)


@pytest.mark.gpu
@pytest.mark.skipif(num_cuda_devices() == 0, reason="no CUDA device")
async def test_cuda_draws_what_the_cpu_draws(folder):
    write_generator(folder / "generator.onnx", GREY)
    write_model_toml(folder, GREY, classes=True)
    latents = Latents(np.random.default_rng(0).standard_normal((64, LATENT_DIM)).astype(np.float32), np.arange(64) % 3)
    loaded = load(folder, provider="cuda", num_instances=0)
    assert loaded.providers[0] == "CUDAExecutionProvider"
    assert loaded.num_instances == 1
    np.testing.assert_allclose(drawn(folder, latents, "cuda"), drawn(folder, latents), atol=1e-3)
