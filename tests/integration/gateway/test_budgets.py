"""Budgets of API keys, through both transports, on a clock that the test moves."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.rpc.routes import Route, all_routes
from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.callers import SECRET, TRANSPORTS, keys_file
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import RunningGateway, running_gateway

ROUTES: dict[str, Route] = {route.rpc: route for route in all_routes() if route.rpc != "ListModels"}
LIST_MODELS = next(route for route in all_routes() if route.rpc == "ListModels")
ALICE = f"Bearer {SECRET}"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def gateway_with(
    ar: FakeBackend, gan: FakeBackend, folder: Path, **budgets: int
) -> AsyncIterator[tuple[RunningGateway, Clock]]:
    clock = Clock()
    async with running_gateway([ar], [gan], clock, api_keys_file=keys_file(folder, **budgets)) as running:
        await running.until(serving=True)
        yield running, clock


def images(count: int) -> bytes:
    return gan_pb2.SampleRequest(count=count).SerializeToString()


def image_stream(count: int) -> bytes:
    return gan_pb2.SampleStreamRequest(sample=gan_pb2.SampleRequest(count=count)).SerializeToString()


def tokens(count: int) -> bytes:
    return ar_pb2.GenerateRequest(sampling=ar_pb2.SamplingParams(max_tokens=count)).SerializeToString()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("rpc", "request_of", "unit"),
    [("Sample", images, "images"), ("SampleStream", image_stream, "images"), ("Generate", tokens, "tokens")],
)
async def test_outputs_are_charged_as_they_go_out(
    ar: FakeBackend, gan: FakeBackend, tmp_path: Path, transport: str, rpc: str, request_of, unit: str
) -> None:
    async with gateway_with(ar, gan, tmp_path, **{unit: 60}) as (gateway, clock):
        ask, route = TRANSPORTS[transport], ROUTES[rpc]
        # What is left is enough to be let in, not for what comes out: the rest is debt.
        for _ in range(2):
            assert (await ask(gateway, route, request_of(50), ALICE)).code == "OK"
            await gateway.until_idle()
        answer = await ask(gateway, route, request_of(1), ALICE)
        assert answer.message == f"the API key's budget of 60 {unit} a minute is used up; retry in 40 s"
        assert ("grpc-status-details-bin" if transport == "grpc" else "retry-after") in answer.headers
        clock.now += 39.9
        assert (await ask(gateway, route, request_of(1), ALICE)).code == "RESOURCE_EXHAUSTED"
        clock.now += 0.1
        assert (await ask(gateway, route, request_of(1), ALICE)).code == "OK"


async def test_what_makes_no_output_needs_no_such_budget(ar: FakeBackend, gan: FakeBackend, tmp_path: Path) -> None:
    async with gateway_with(ar, gan, tmp_path, images=1, tokens=1) as (gateway, _):
        ask = TRANSPORTS["grpc"]
        await ask(gateway, ROUTES["Sample"], images(9), ALICE)
        await ask(gateway, ROUTES["Generate"], tokens(9), ALICE)
        await gateway.until_idle()
        for rpc in ("Sample", "SampleStream", "Generate", "Complete"):
            assert (await ask(gateway, ROUTES[rpc], b"", ALICE)).code == "RESOURCE_EXHAUSTED"
        for route in (ROUTES["Score"], ROUTES["Discriminate"], LIST_MODELS):
            assert (await ask(gateway, route, b"", ALICE)).code == "OK"
