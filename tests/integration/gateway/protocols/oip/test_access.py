"""Keys, budgets, deadlines and cancellation through the protocol: those of our own RPCs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tritonclient.grpc.aio as triton
from google.rpc import error_details_pb2, status_pb2
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from gateway.access.api_keys import find, load_api_keys
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.callers import SECRET, keys_file
from tests.integration.gateway.fakes import HOLD, IMAGE_MODEL, TEXT_MODEL, FakeBackend
from tests.integration.gateway.protocols.oip.tensors import INFER, STREAM_INFER, labels, seeds, text_inputs
from tests.integration.gateway.running import RunningGateway, running_gateway

ALICE = {"authorization": f"Bearer {SECRET}"}


@contextlib.asynccontextmanager
async def protocol(
    ar: FakeBackend, gan: FakeBackend, **settings: Any
) -> AsyncIterator[tuple[RunningGateway, triton.InferenceServerClient]]:
    """Run a gateway before scripted backends, on a clock of budgets that stands still."""
    async with running_gateway([ar], [gan], lambda: 0.0, **settings) as gateway:
        await gateway.until(serving=True)
        async with triton.InferenceServerClient(f"127.0.0.1:{gateway.gateway.server.port}") as client:
            yield gateway, client


async def refusal(call: Any) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as refused:
        await call
    return refused.value


async def test_a_key_is_needed_but_for_probes(ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> None:
    async with protocol(ar, gan, api_keys_file=keys_file(tmp_path)) as (_, client):
        assert await client.is_server_live()
        assert await client.is_server_ready()
        for call in (
            client.infer(TEXT_MODEL, text_inputs("a")),
            client.get_model_metadata(TEXT_MODEL),
            client.get_inference_statistics(),
            client.is_model_ready(TEXT_MODEL),
        ):
            error = await refusal(call)
            assert (error.status(), "an API key is needed" in error.message()) == ("StatusCode.UNAUTHENTICATED", True)
        assert ar.servicer.num_calls == 0
        assert (await client.infer(TEXT_MODEL, text_inputs("a"), headers=ALICE)).as_numpy("text_output") is not None


async def test_the_backend_is_told_whose_call_it_is(
    ar: FakeBackend, gan: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers, file = [], keys_file(tmp_path)
    complete = ar.servicer.complete

    async def noting(request: Any, call: Any) -> Any:
        callers.append((call.caller, call.owner))
        return await complete(request, call)

    monkeypatch.setattr(ar.servicer, "complete", noting)
    await ar.stop()
    await ar.start()
    forged = {"tandem-caller": "somebody", "tandem-peer": "10.0.0.1:1", "tandem-transport": "grpc"}
    async with protocol(ar, gan, api_keys_file=file) as (gateway, client):
        await client.infer(TEXT_MODEL, text_inputs("a"), headers=ALICE | forged)
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total", transport="oip") == 1
    async with protocol(ar, gan) as (gateway, client):
        await client.infer(TEXT_MODEL, text_inputs("a"), headers=forged)
    key = find(load_api_keys(file), SECRET)
    assert key is not None
    assert callers[0] == (key.caller_id(), key.caller_id())
    caller, owner = callers[1]
    assert caller == ""
    assert owner == "127.0.0.1"
    assert owner.connection.startswith("127.0.0.1:")


async def test_a_budget_of_requests(ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> None:
    async with protocol(ar, gan, api_keys_file=keys_file(tmp_path, requests=3)) as (gateway, client):
        await client.infer(IMAGE_MODEL, [seeds(1)], headers=ALICE)
        error = await refusal(client.infer(IMAGE_MODEL, [seeds(1, 2, 3), labels(1, 2, 3)], headers=ALICE))
        assert error.message().startswith("batch: 3 is not accepted")  # of this model; it cost a request
        await client.infer(IMAGE_MODEL, [seeds(1)], headers=ALICE)
        error = await refusal(client.infer(IMAGE_MODEL, [seeds(1)], headers=ALICE))
        assert error.status() == "StatusCode.RESOURCE_EXHAUSTED"
        assert error.message() == "the API key's budget of 3 requests a minute is used up; retry in 20 s"
        await gateway.until_idle()
        assert gateway.value("tandem_requests_over_budget_total", paradigm="parallel", budget="request") == 1
        codes = {"INVALID_ARGUMENT": 1, "RESOURCE_EXHAUSTED": 1, "OK": 2}
        for code, count in codes.items():
            assert gateway.value("tandem_requests_total", transport="oip", code=code) == count
        assert gateway.value("tandem_requests_shed_total") == 0


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


async def test_what_goes_out_is_charged(ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> None:
    async with protocol(ar, gan, api_keys_file=keys_file(tmp_path, tokens=5)) as (gateway, client):
        inputs = text_inputs("a", {"max_tokens": 9}, stream=True)
        await client.infer(TEXT_MODEL, inputs, headers=ALICE)
        await gateway.until_idle()
        request = service_pb2.ModelInferRequest(model_name=TEXT_MODEL)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await gateway.unary(INFER, request.SerializeToString(), metadata=tuple(ALICE.items()))
        [detail] = status_pb2.Status.FromString(
            dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
        ).details
        delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
        assert delay.ToNanoseconds() == 48e9  # four tokens in debt, at five a minute


@pytest.mark.parametrize("how", ["client_timeout", "timeout"])
async def test_a_deadline_ends_the_work(ar: FakeBackend, gan: FakeBackend, how: str) -> None:
    async with protocol(ar, gan) as (gateway, client):
        limit = {"client_timeout": 2.0} if how == "client_timeout" else {"timeout": 2_000_000}
        error = await refusal(client.infer(TEXT_MODEL, text_inputs(HOLD), **limit))
        assert error.status() == "StatusCode.DEADLINE_EXCEEDED"
        await ar.servicer.all_closed.wait()
        assert 0 < ar.servicer.seconds_left[0] < 2.1
        await gateway.until_idle()
        assert gateway.value("tandem_requests_total", transport="oip", code="DEADLINE_EXCEEDED") == 1


async def test_a_stop_refuses_new_requests_and_lets_open_ones_finish(ar: FakeBackend, gan: FakeBackend) -> None:
    async with protocol(ar, gan) as (gateway, client):
        hold = asyncio.Event()
        ar.servicer.before_message = lambda index: hold.wait()
        call = asyncio.create_task(client.infer(TEXT_MODEL, text_inputs("a")))
        await ar.servicer.started.wait()
        stopping = asyncio.create_task(gateway.stop(20))
        while gateway.gateway.server.health.serving:
            await asyncio.sleep(0)
        error = await refusal(client.infer(TEXT_MODEL, text_inputs("a")))
        assert (error.status(), error.message()) == ("StatusCode.UNAVAILABLE", "the gateway is stopping")
        hold.set()
        assert (await call).as_numpy("text_output")[0] == b"0 1 2 "
        await stopping
