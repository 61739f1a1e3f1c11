"""Requests through the real server: what comes back is what numpy computes."""

import io

import numpy as np
import pytest
from PIL import Image

from services.gan.latents import draw_labels, draw_latents
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.services.gan.tiny_onnx import (
    COLOUR,
    GREY,
    LATENT_DIM,
    NUM_CLASSES,
    expected_images,
    expected_verdict,
)

FLOAT32 = images_pb2.ENCODING_RAW_FLOAT32
PNG = images_pb2.ENCODING_PNG
SEED = 2**63 + 11


def request(model="tiny", **fields):
    return gan_pb2.SampleRequest(model=model, **fields)


def floats(batch: images_pb2.ImageBatch) -> np.ndarray:
    return np.frombuffer(batch.data, "<f4").reshape(batch.shape)


def levels(batch: images_pb2.ImageBatch) -> np.ndarray:
    return np.frombuffer(batch.data, np.uint8).reshape(batch.shape)


async def test_seeded_images_are_those_of_their_latents(backend):
    response = await backend.stub.Sample(request(count=5, seed=SEED, encoding=FLOAT32))
    labels = draw_labels(SEED, 0, 5, NUM_CLASSES)
    expected = expected_images(draw_latents(SEED, 0, 5, LATENT_DIM), labels, GREY)
    np.testing.assert_allclose(floats(response.images), expected, atol=1e-5)
    assert list(response.labels) == labels.tolist()
    assert (response.seed, response.first_index) == (SEED, 0)


async def test_without_a_seed_one_is_drawn_and_reported(backend):
    first = await backend.stub.Sample(request(count=2))
    other = await backend.stub.Sample(request(count=2))
    again = await backend.stub.Sample(request(count=2, seed=first.seed))
    assert first.images.data == again.images.data
    assert first.seed != other.seed


async def test_default_is_one_image_in_bytes(backend):
    response = await backend.stub.Sample(request(seed=1))
    pixels = floats((await backend.stub.Sample(request(seed=1, encoding=FLOAT32))).images)
    assert list(response.images.shape) == [1, *GREY]
    assert response.images.encoding == images_pb2.ENCODING_RAW_UINT8
    np.testing.assert_array_equal(levels(response.images), np.rint((pixels + 1) * 127.5))


async def test_labels_for_all_and_for_each(backend):
    for labels, expected in (([2], [2, 2, 2]), ([0, 2, 1], [0, 2, 1])):
        response = await backend.stub.Sample(request(count=3, seed=1, labels=labels, encoding=FLOAT32))
        images = expected_images(draw_latents(1, 0, 3, LATENT_DIM), np.array(expected), GREY)
        np.testing.assert_allclose(floats(response.images), images, atol=1e-5)
        assert list(response.labels) == expected


async def test_explicit_latents(backend):
    vectors = np.random.default_rng(0).standard_normal((3, LATENT_DIM)).astype(np.float32)
    latents = gan_pb2.Latents(values=vectors.ravel())
    response = await backend.stub.Sample(request(count=3, latents=latents, labels=[1], encoding=FLOAT32))
    np.testing.assert_allclose(floats(response.images), expected_images(vectors, np.array([1] * 3), GREY), atol=1e-5)
    assert response.seed == 0


async def test_png_is_the_bytes_as_files(backend):
    for model, shape in (("tiny", GREY), ("colour", COLOUR)):
        raw = levels((await backend.stub.Sample(request(model, count=3, seed=1))).images)
        response = await backend.stub.Sample(request(model, count=3, seed=1, encoding=PNG))
        assert (list(response.images.shape), response.images.data) == ([3, *shape], b"")
        for file, expected in zip(response.images.png, raw, strict=True):
            with Image.open(io.BytesIO(file)) as image:
                np.testing.assert_array_equal(np.asarray(image).reshape(shape), expected)


async def collected(stub, sample, **fields):
    return [message.part async for message in stub.SampleStream(gan_pb2.SampleStreamRequest(sample=sample, **fields))]


@pytest.mark.parametrize(("size", "num_messages"), [(None, 125), (3, 334), (1, 1000), (8, 125)])
async def test_stream_has_the_same_images_in_parts(backend, size, num_messages):
    parts = await collected(
        backend.stub, request(count=1000, seed=SEED), **({} if size is None else {"images_per_message": size})
    )
    assert len(parts) == num_messages
    assert [part.first_index for part in parts] == list(range(0, 1000, size or 8))
    images = np.concatenate([levels(part.images) for part in parts])
    expected = expected_images(draw_latents(SEED, 0, 1000, LATENT_DIM), draw_labels(SEED, 0, 1000, NUM_CLASSES), GREY)
    assert np.abs(images - (expected + 1) * 127.5).max() < 0.51
    assert [part.HasField("timings") for part in parts] == [False] * (num_messages - 1) + [True]


async def test_stream_of_explicit_latents(backend):
    vectors = np.random.default_rng(0).standard_normal((20, LATENT_DIM)).astype(np.float32)
    sample = request(count=20, latents=gan_pb2.Latents(values=vectors.ravel()), labels=[0, 1] * 10, encoding=FLOAT32)
    parts = await collected(backend.stub, sample)
    images = np.concatenate([floats(part.images) for part in parts])
    np.testing.assert_allclose(images, expected_images(vectors, np.array([0, 1] * 10), GREY), atol=1e-5)
    assert [label for part in parts for label in part.labels] == [0, 1] * 10


def check_timings(timings) -> None:
    phases = [timings.queue_seconds, timings.batch_wait_seconds, timings.compute_seconds, timings.encode_seconds]
    assert min(phases) >= 0
    assert timings.compute_seconds > 0
    assert timings.total_seconds >= sum(phases) - 1e-9
    assert (timings.prefill_seconds, timings.decode_seconds) == (0, 0)
    assert 1 <= timings.mean_batch_size <= 8


@pytest.mark.parametrize("encoding", [images_pb2.ENCODING_RAW_UINT8, FLOAT32, PNG])
async def test_discriminate_takes_what_sample_gives(backend, encoding):
    drawn = await backend.stub.Sample(request(count=20, seed=1, encoding=encoding))
    response = await backend.stub.Discriminate(
        gan_pb2.DiscriminateRequest(model="tiny", images=drawn.images, labels=drawn.labels)
    )
    exact = floats((await backend.stub.Sample(request(count=20, seed=1, encoding=FLOAT32))).images)
    steps = exact if encoding == FLOAT32 else np.rint((exact + 1) * 127.5) / 127.5 - 1
    scores, features = expected_verdict(steps, np.array(drawn.labels))
    np.testing.assert_allclose(response.scores, scores, atol=1e-4)
    np.testing.assert_allclose(np.reshape(response.features, (20, response.feature_dim)), features, atol=1e-4)
    check_timings(response.timings)


async def test_list_models_says_what_there_is_and_what_runs_it(backend):
    models = {model.name: model for model in (await backend.stub.ListModels(gan_pb2.ListModelsRequest())).models}
    assert set(models) == {"tiny", "plain", "colour"}
    tiny = models["tiny"]
    assert (list(tiny.image_shape), tiny.latent_dim, tiny.num_classes) == ([4, 4, 1], LATENT_DIM, NUM_CLASSES)
    assert list(tiny.class_names) == ["class 0", "class 1", "class 2"]
    assert (list(tiny.value_range), tiny.max_batch_size, tiny.licence) == ([-1, 1], 8, "MIT")
    assert [models[name].has_discriminator for name in ("tiny", "plain")] == [True, False]
    assert list(tiny.providers) == ["CPUExecutionProvider"]


async def test_counters_add_up(backend):
    for outcome in ("finished", "cancelled", "failed"):  # there before the first request, so that the first one shows
        labels = {"model": "tiny", "network": "generator", "outcome": outcome}
        assert backend.registry.get_sample_value("tandem_images_total", labels) == 0
    for count in (1, 5, 20):
        images = (await backend.stub.Sample(request(count=count, seed=1))).images
    judged = gan_pb2.DiscriminateRequest(model="tiny", images=images, labels=[0] * 20)
    await backend.stub.Discriminate(judged)  # which is not generating
    await collected(backend.stub, request(count=100, seed=1))
    assert backend.sample("tandem_images_total", model="tiny", network="generator", outcome="finished") == 126
    requests = {"paradigm": "parallel", "code": "OK"}
    assert backend.sample("tandem_backend_requests_total", rpc="Sample", **requests) == 3
    assert backend.sample("tandem_backend_requests_total", rpc="SampleStream", **requests) == 1
    assert backend.sample("tandem_batch_size_sum", paradigm="parallel", model="tiny") == 126
    assert backend.sample("tandem_images_queued", model="tiny", network="generator") == 0
