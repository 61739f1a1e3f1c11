"""Keys, budgets, deadlines and cancellation through the protocol: those of our own RPCs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.grpc.aio import InferenceServerClient as Client
from tritonclient.utils import InferenceServerException

from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import IMAGE_MODEL, FakeBackend
from tests.integration.gateway.protocols.oip.inputs import INFER, STREAM_INFER, seeds
from tests.integration.gateway.running import RunningGateway, running_gateway

ALICE = {"authorization": f"Bearer {SECRET}"}


@contextlib.asynccontextmanager
async def protocol(ar: FakeBackend, gan: FakeBackend, **settings: Any) -> AsyncIterator[tuple[RunningGateway, Client]]:
    """Run a gateway before scripted backends, on a clock of budgets that stands still."""
    async with (
        running_gateway([ar], [gan], lambda: 0.0, **settings) as gateway,
        Client(f"127.0.0.1:{gateway.gateway.server.port}") as client,
    ):
        yield gateway, client


async def refusal(call: Any) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as refused:
        await call
    return refused.value


@pytest.mark.parametrize("path", [INFER, STREAM_INFER])
async def test_a_large_request_over_the_budget_is_not_read(
    ar: FakeBackend, gan: FakeBackend, tmp_path: Path, path: str
) -> None:
    unreadable = service_pb2.ModelInferRequest(model_name=IMAGE_MODEL, raw_input_contents=[bytes(100_000)])
    raw = unreadable.SerializeToString() + b"\x2a\x03\x0a\x01\xff"  # an input whose name is not UTF-8
    answers = []
    async with protocol(ar, gan, api_keys_file=keys_file(tmp_path, requests=1)) as (gateway, _):
        for _ in range(2):
            call = gateway.channel.stream_stream(path)(iter([raw]), metadata=tuple(ALICE.items()))
            try:
                [reply] = [service_pb2.ModelStreamInferResponse.FromString(each) async for each in call]
                answers.append(reply.error_message)
            except grpc.aio.AioRpcError as error:
                answers.append(f"[{error.code().name}] {error.details()}")
    assert answers[0].startswith("[INVALID_ARGUMENT] request: ")
    assert answers[1].startswith("[RESOURCE_EXHAUSTED] the API key's budget of 1 requests a minute is used up")


async def test_a_row_with_a_seed_of_its_own_costs_a_request(
    ar: FakeBackend, gan: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def list_models(request: Any, call: Any) -> Any:
        model = gan_pb2.Model(name=IMAGE_MODEL, image_shape=[1, 1, 1], latent_dim=2, max_batch_size=4)
        return gan_pb2.ListModelsResponse(models=[model])

    monkeypatch.setattr(gan.servicer, "list_models", list_models)
    await gan.stop()
    await gan.start()
    async with protocol(ar, gan, api_keys_file=keys_file(tmp_path, requests=5)) as (gateway, client):
        assert len((await client.infer(IMAGE_MODEL, [seeds(1, 2, 3)], headers=ALICE)).as_numpy("images")) == 3
        error = await refusal(client.infer(IMAGE_MODEL, [seeds(1, 2, 3)], headers=ALICE))
        assert error.status() == "StatusCode.RESOURCE_EXHAUSTED"
        assert gan.servicer.num_calls == 3
        await gateway.until_idle()
        assert gateway.value("tandem_requests_without_output_total") == 0
