"""A request that a model cannot compute costs its caller alone: those beside it get the bytes that they get alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import Internal, ModelFault
from tests.integration.services.gan.conftest import Backend, running_backend, tiny_settings
from tests.integration.services.gan.fragile_onnx import RAISES, write_fragile_model
from tests.integration.services.gan.tiny_onnx import LATENT_DIM

NUM_GOOD, NUM_BAD = 20, 4


@pytest.fixture(scope="module")
def fragile_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fragile")
    write_fragile_model(folder)
    return folder


@pytest.fixture
async def fragile(fragile_dir: Path, gate) -> AsyncIterator[Backend]:
    """One instance of the fragile model, behind the gate."""
    async with running_backend(tiny_settings(fragile_dir, models=["fragile"], num_instances=1)) as running:
        try:
            yield running
        finally:
            gate.open()


def sample(number: int, **spoilt: float) -> gan_pb2.SampleRequest:
    """Return a request of explicit latents, which depend on `number`; `first` or `second` replaces one of them."""
    latents = np.random.default_rng(number).random(LATENT_DIM).astype(np.float32)
    latents[0], latents[1] = spoilt.get("first", latents[0]), spoilt.get("second", latents[1])
    encoding = images_pb2.ENCODING_RAW_FLOAT32 if number % 2 else images_pb2.ENCODING_RAW_UINT8
    return gan_pb2.SampleRequest(latents=gan_pb2.Latents(values=latents), labels=[number % 3], encoding=encoding)


def exhibit(number: int, **spoilt: float) -> gan_pb2.DiscriminateRequest:
    """Return a request to judge one image, which depends on `number`."""
    pixels = np.random.default_rng(number).random((1, 4, 4, 1)).astype("<f4")
    pixels[0, 0, 0, 0], pixels[0, 0, 1, 0] = spoilt.get("first", 0.5), spoilt.get("second", 0.5)
    batch = images_pb2.ImageBatch(shape=pixels.shape, encoding=images_pb2.ENCODING_RAW_FLOAT32, data=pixels.tobytes())
    return gan_pb2.DiscriminateRequest(images=batch, labels=[number % 3])


async def outcome(call) -> gan_pb2.SampleResponse | gan_pb2.DiscriminateResponse | grpc.aio.AioRpcError:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return error


def assert_same(replies: list, alone: list) -> None:
    """Images are the same to the last byte; a verdict's sums may be rounded differently in another batch."""
    assert {type(reply) for reply in replies} == {type(reply) for reply in alone}
    for reply, expected in zip(replies, alone, strict=True):
        if isinstance(reply, gan_pb2.SampleResponse):
            assert (reply.images, reply.labels) == (expected.images, expected.labels)
        else:
            np.testing.assert_allclose(reply.scores, expected.scores, atol=1e-5)
            np.testing.assert_allclose(reply.features, expected.features, atol=1e-5)


async def company(method, good: list, bad: list, until_all_wait=None) -> tuple[list, list]:
    """Send all at once, the bad ones among the good; return the outcomes of each kind."""
    mixed = [(one, True) for one in good]
    for place, one in enumerate(bad):
        mixed.insert(1 + 4 * place, (one, False))
    calls = [method(one) for one, _ in mixed]
    outcomes = asyncio.gather(*map(outcome, calls))
    if until_all_wait is not None:
        await until_all_wait()
    outcomes = await outcomes
    kinds = [is_good for _, is_good in mixed]
    return (
        [each for each, is_good in zip(outcomes, kinds, strict=True) if is_good],
        [each for each, is_good in zip(outcomes, kinds, strict=True) if not is_good],
    )


def assert_all(errors: list, code: grpc.StatusCode, text: str) -> None:
    assert [each.code() for each in errors] == [code] * NUM_BAD
    assert {each.details() for each in errors} == {text}


MAKERS = {"Sample": (sample, "generator"), "Discriminate": (exhibit, "discriminator")}
FAULTS = {
    "raises": ({"Sample": {"first": RAISES}, "Discriminate": {"first": 1.0}}, str(Internal())),
    "gives NaN": ({"Sample": {"second": -0.5}, "Discriminate": {"second": -0.5}}, str(ModelFault())),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("rpc", MAKERS)
async def test_fault_in_a_pass_costs_its_request_alone(fragile, gate, rpc, fault):
    (make, network), (spoilt, text), method = MAKERS[rpc], FAULTS[fault], getattr(fragile.stub, rpc)
    good = [make(number) for number in range(NUM_GOOD)]
    alone = [await method(one) for one in good]
    model = fragile.worker.get("fragile")
    batcher = model.batcher if network == "generator" else model.judge

    async def until_all_wait() -> None:
        async with asyncio.timeout(60):
            while batcher.num_open < NUM_GOOD + NUM_BAD:
                await asyncio.sleep(0.001)
        gate.open()

    gate.close()
    replies, errors = await company(method, good, [make(n, **spoilt[rpc]) for n in range(NUM_BAD)], until_all_wait)
    assert_same(replies, alone)
    assert_all(errors, grpc.StatusCode.INTERNAL, text)
    counted = {"model": "fragile", "network": network}
    assert fragile.sample("tandem_images_total", outcome="failed", **counted) == NUM_BAD
    assert fragile.sample("tandem_images_total", outcome="finished", **counted) == 2 * NUM_GOOD


async def test_stream_with_a_fault_in_a_later_part_ends_with_it_and_others_go_on(fragile):
    latents = np.random.default_rng(0).random((16, LATENT_DIM)).astype(np.float32)
    latents[15, 1] = -1.0
    spoilt = gan_pb2.SampleRequest(count=16, latents=gan_pb2.Latents(values=latents.ravel()))
    stream = fragile.stub.SampleStream(gan_pb2.SampleStreamRequest(sample=spoilt, images_per_message=8))
    assert (await stream.read()).part.images.shape[0] == 8
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stream.read()
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.INTERNAL, str(ModelFault()))
    assert (await fragile.stub.Sample(sample(1))).images.data
