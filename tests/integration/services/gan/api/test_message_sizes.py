"""Replies of any size: parts that a plain client takes, refusals before the work, an image that fits no message."""

import asyncio

import grpc
import numpy as np
import pytest

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.metadata import CALLER_METADATA
from services.gan.latents import draw_latents
from tandem.client import AsyncTandemClient
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.integration.services.gan.conftest import running_backend, tiny_settings
from tests.integration.services.gan.tiny_onnx import GREY, LATENT_DIM, NUM_CLASSES, expected_images
from tests.large_generator import add_large_generator

FLOAT32 = images_pb2.ENCODING_RAW_FLOAT32
UINT8 = images_pb2.ENCODING_RAW_UINT8
PNG = images_pb2.ENCODING_PNG
SHAPE = [128, 128, 3]
BYTES = {FLOAT32: 4 * 128 * 128 * 3, UINT8: 128 * 128 * 3}


@pytest.fixture(scope="module")
def large_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    add_large_generator(folder, width=4)
    return folder


@pytest.fixture
async def large(large_dir):
    limits = {"max_batch_size": 64, "max_queued_images": 512, "max_images_per_request": 256}
    async with running_backend(tiny_settings(large_dir, models=["large"], **limits)) as running:
        yield running


def wanted(count, encoding=FLOAT32, **fields):
    return gan_pb2.SampleRequest(model="large", count=count, seed=5, encoding=encoding, **fields)


async def parts_of(stub, sample, **fields):
    return [message.part async for message in stub.SampleStream(gan_pb2.SampleStreamRequest(sample=sample, **fields))]


def num_passes(backend):
    return backend.sample("tandem_pass_seconds_count", model="large", network="generator")


@pytest.mark.parametrize(("encoding", "size"), [(FLOAT32, 21), (UINT8, 64), (PNG, 64)])
async def test_a_plain_client_takes_every_part(large, encoding, size):
    """As many images a part as fit 4 MiB, at most a batch of them."""
    parts = await parts_of(large.stub, wanted(70, encoding))
    assert [part.first_index for part in parts] == list(range(0, 70, size))
    assert all(part.ByteSize() <= MAX_MESSAGE_BYTES for part in parts)
    assert sum(part.images.shape[0] for part in parts) == 70


async def test_parts_and_replies_have_the_same_bytes_however_they_are_cut(large):
    whole = b"".join(part.images.data for part in await parts_of(large.stub, wanted(42)))
    single = b"".join(part.images.data for part in await parts_of(large.stub, wanted(42), images_per_message=1))
    unary = (await large.stub.Sample(wanted(21))).images
    assert len(whole) == 42 * BYTES[FLOAT32]
    assert whole == single
    assert whole[: len(unary.data)] == unary.data
    assert unary.shape == [21, *SHAPE]


async def test_a_reply_that_cannot_fit_is_refused_before_the_work(large):
    drawn = num_passes(large)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await large.stub.Sample(wanted(22))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    text = refused.value.details()
    assert text.startswith("count: '22 images, up to 432")
    assert "1 to 21, as one reply has at most 4194304 bytes; SampleStream" in text
    assert num_passes(large) == drawn
    # A quarter of the bytes: four times as many images.
    assert (await large.stub.Sample(wanted(85, UINT8))).images.shape == [85, *SHAPE]


@pytest.mark.parametrize(("max_ahead_bytes", "fewest", "most"), [(0, 1, 8), (30 * BYTES[FLOAT32], 31, 38)])
async def test_what_is_made_for_a_reader_that_stalls_is_bounded(large_dir, max_ahead_bytes, fewest, most):
    """In bytes, whatever the instances could make meanwhile: 192 images, of which transport takes a few."""
    limits = {"max_batch_size": 64, "max_queued_images": 512, "max_ahead_bytes": max_ahead_bytes}
    async with running_backend(tiny_settings(large_dir, models=["large"], **limits)) as running:
        options = [("grpc.http2.lookahead_bytes", 1024), ("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.insecure_channel(running.address, options=options) as channel:
            request = gan_pb2.SampleStreamRequest(sample=wanted(2000), images_per_message=1)
            call = gan_pb2_grpc.GanServiceStub(channel).SampleStream(request)
            await call.read()
            for _ in range(20):
                await running.stub.Sample(wanted(1))
            drawn = running.sample("tandem_batch_size_sum", paradigm="parallel", model="large") - 20
            call.cancel()
    assert fewest <= drawn <= most


async def test_the_limit_is_that_of_the_models_list(large_dir):
    settings = tiny_settings(large_dir, models=["large"], max_reply_bytes=5 * BYTES[UINT8])
    async with running_backend(settings) as running:
        (model,) = (await running.stub.ListModels(gan_pb2.ListModelsRequest())).models
        assert model.max_reply_bytes == 5 * BYTES[UINT8]
        assert (await running.stub.Sample(wanted(4, UINT8))).ByteSize() <= model.max_reply_bytes
        with pytest.raises(grpc.aio.AioRpcError, match="1 to 4, as one reply has at most 245760 bytes"):
            await running.stub.Sample(wanted(5, UINT8))
        assert [len(part.images.data) for part in await parts_of(running.stub, wanted(5, UINT8))] == [
            4 * BYTES[UINT8],
            BYTES[UINT8],
        ]


async def test_an_image_larger_than_any_reply_is_a_part_of_its_own(large_dir):
    settings = tiny_settings(large_dir, models=["large"], max_reply_bytes=BYTES[UINT8])
    async with running_backend(settings) as running:
        parts = await parts_of(running.stub, wanted(3, FLOAT32))
        assert [part.images.shape[0] for part in parts] == [1, 1, 1]
        with pytest.raises(grpc.aio.AioRpcError, match="none of this size"):
            await running.stub.Sample(wanted(1, FLOAT32))


async def test_a_larger_part_is_the_caller_s_choice_up_to_the_server_s_limit(large_dir):
    settings = tiny_settings(large_dir, models=["large"], max_batch_size=64, max_part_bytes=5 * 1024 * 1024)
    async with running_backend(settings) as running:
        options = [("grpc.max_receive_message_length", 5 * 1024 * 1024)]
        async with grpc.aio.insecure_channel(running.address, options=options) as channel:
            stub = gan_pb2_grpc.GanServiceStub(channel)
            parts = await parts_of(stub, wanted(30), images_per_message=26)
            assert [part.images.shape[0] for part in parts] == [26, 4]
            with pytest.raises(grpc.aio.AioRpcError, match="images_per_message: 27 is not accepted; accepted: 1 to 26"):
                await parts_of(stub, wanted(30), images_per_message=27)


async def test_the_client_moves_to_the_stream_by_itself(large):
    async with AsyncTandemClient(large.address) as client:
        images = await client.sample(64, model="large", seed=5, encoding="float32", timeout_seconds=60)
        parts = [part async for part in client.sample_stream(64, model="large", seed=5, encoding="float32")]
    assert images.pixels.shape == (64, *SHAPE)
    assert images.timings.compute_seconds > 0
    assert images.seed == 5
    np.testing.assert_array_equal(images.pixels, np.concatenate([part.pixels for part in parts]))


async def test_verdicts_that_cannot_fit_are_refused_before_the_work(models_dir):
    """A verdict takes 24 bytes: a score and five features."""
    async with running_backend(tiny_settings(models_dir, max_reply_bytes=1024)) as running:

        def discriminator_inputs(count):
            images = images_pb2.ImageBatch(shape=[count, *GREY], encoding=UINT8, data=bytes(16 * count))
            return gan_pb2.DiscriminateRequest(model="tiny", images=images, labels=[0] * count)

        with pytest.raises(grpc.aio.AioRpcError, match="ask in several requests") as refused:
            await running.stub.Discriminate(discriminator_inputs(32))
        assert "images.shape[0]: '32 images, up to " in refused.value.details()
        assert running.sample("tandem_pass_seconds_count", model="tiny", network="discriminator") == 0
        assert len((await running.stub.Discriminate(discriminator_inputs(20))).scores) == 20


async def test_images_for_which_there_is_no_memory_are_refused_before_they_are_decoded(models_dir, gate):
    """The hog's images wait for the discriminator. Those that are refused are none, which would show in decoding."""
    settings = tiny_settings(models_dir, models=["tiny"], max_decoded_bytes=40 * 64, max_caller_share=0.75)

    def discriminator_inputs(count, data):
        images = images_pb2.ImageBatch(shape=[count, *GREY], encoding=UINT8, data=data)
        return gan_pb2.DiscriminateRequest(model="tiny", images=images, labels=[0] * count)

    def caller(name):
        return ((CALLER_METADATA, name),)

    async with running_backend(settings) as running:
        gate.close()
        try:
            held = running.stub.Discriminate(discriminator_inputs(30, bytes(30 * 16)), metadata=caller("hog"))
            assert await asyncio.to_thread(gate.entered.acquire, timeout=20)
            for name, count, words in (("hog", 1, "a caller's part of the memory"), ("a", 11, "the memory")):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await running.stub.Discriminate(discriminator_inputs(count, b"none"), metadata=caller(name))
                assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
                assert refused.value.details().startswith(f"{words} for decoded images of open requests is full")
            other = running.stub.Discriminate(discriminator_inputs(10, bytes(10 * 16)), metadata=caller("a"))
        finally:
            gate.open()
        assert [len((await call).scores) for call in (held, other)] == [30, 10]
        memory = running.worker.get("tiny").received_images._memory
        async with asyncio.timeout(60):
            while memory.num_held:
                await asyncio.sleep(0)
        again = running.stub.Discriminate(discriminator_inputs(30, bytes(30 * 16)), metadata=caller("hog"))
        assert len((await again).scores) == 30


async def test_images_of_several_passes_stay_in_their_order(models_dir):
    """A part that rode in several batches is put together from their slices."""
    async with running_backend(tiny_settings(models_dir, max_batch_size=3)) as running:
        vectors = draw_latents(7, 0, 32, LATENT_DIM)
        labels = np.arange(32) % NUM_CLASSES
        sample = gan_pb2.SampleRequest(model="tiny", count=32, seed=7, labels=labels.tolist(), encoding=FLOAT32)
        reply = await running.stub.Sample(sample)
    assert list(reply.labels) == labels.tolist()
    pixels = np.frombuffer(reply.images.data, "<f4").reshape(reply.images.shape)
    np.testing.assert_allclose(pixels, expected_images(vectors, labels, GREY), atol=1e-5)
