"""Callers that do not read large replies: the others share their connections behind Envoy, and are answered."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tests.integration.gateway.fakes import IMAGE_MODEL, SAMPLE, SAMPLE_STREAM, FakeBackend
from tests.integration.gateway.protocols.oip.inputs import STREAM_INFER
from tests.integration.gateway.proxy import frames
from tests.integration.gateway.proxy.frames import Connection, connected, frame, headers, message
from tests.integration.gateway.running import QUICK, RunningGateway, running_gateway

NUM_STALLED = 12
NUM_IMAGES = 12  # together 2.4 MB, more than Envoy takes of a stream that nobody reads
IMAGE_BYTES = 200_000
MIB = 2**20

SMALL = gan_pb2.SampleRequest(model=IMAGE_MODEL, seed=1).SerializeToString()
LARGE = gan_pb2.SampleStreamRequest(
    sample=gan_pb2.SampleRequest(model=IMAGE_MODEL, count=NUM_IMAGES)
).SerializeToString()
TENSORS = ModelInferRequest(model_name=IMAGE_MODEL, id="a").SerializeToString()


def large_images(count: int, first: int) -> gan_pb2.SampleResponse:
    images = images_pb2.ImageBatch(shape=[count, 1, 1, IMAGE_BYTES], data=bytes(count * IMAGE_BYTES))
    return gan_pb2.SampleResponse(images=images, first_index=first)


async def ask(connection: Connection, path: str, *messages: bytes) -> None:
    """Begin as many streams as there are stalled readers, each with these messages."""
    for stream in range(1, 2 * NUM_STALLED, 2):
        body = b"".join(map(message, messages))
        head = frame(frames.HEADERS, stream, headers(path), frames.END_HEADERS)
        await connection.send(head, frame(frames.DATA, stream, body, frames.END_STREAM))


async def received(gateway: RunningGateway, cluster: str) -> int:
    """Return the bytes that Envoy has received from the servers of a cluster."""
    name = f"cluster.{cluster}.upstream_cx_rx_bytes_total"
    [found] = (await gateway.gateway.envoy.admin._json(f"/stats?format=json&filter=^{name}$"))["stats"]
    return int(found["value"])


async def sample(gateway: RunningGateway) -> None:
    await gateway.unary(SAMPLE, SMALL, timeout=60)


async def infer(gateway: RunningGateway) -> None:
    call = gateway.channel.stream_stream(STREAM_INFER)(iter([TENSORS]), timeout=60)
    assert len([reply async for reply in call]) == 1


WAYS: dict[str, Any] = {
    "our own RPCs": (SAMPLE_STREAM, [LARGE], "parallel", sample),
    "streams of the Open Inference Protocol": (STREAM_INFER, [TENSORS] * NUM_IMAGES, "oip_streams", infer),
}


@pytest.mark.parametrize("way", WAYS)
async def test_readers_that_stall_take_nothing_from_the_others(
    way: str, ar: FakeBackend, gan: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, messages, cluster, others_call = WAYS[way]

    async def list_models(request: Any, call: Any) -> Any:
        model = gan_pb2.Model(name=IMAGE_MODEL, image_shape=[1, 1, IMAGE_BYTES], latent_dim=2, max_batch_size=4)
        return gan_pb2.ListModelsResponse(models=[model])

    monkeypatch.setattr(gan.servicer, "list_models", list_models)
    monkeypatch.setattr(gan.servicer, "_images", large_images)
    await gan.stop()
    await gan.start()
    async with running_gateway([ar], [gan], limits={**QUICK, "connection_buffer": 65_536}) as gateway:
        await gateway.until(serving=True)
        async with connected(gateway.gateway.server.port, window=1000) as connection:
            await ask(connection, path, *messages)
            # Until each stalled stream has used up its own window, without what its reader's buffer holds.
            async with asyncio.timeout(60):
                while await received(gateway, cluster) < NUM_STALLED * MIB:
                    try:
                        await others_call(gateway)
                    except grpc.aio.AioRpcError as error:
                        pytest.fail(f"{error.code().name} beside {NUM_STALLED} readers that stall")
            await others_call(gateway)
