"""Several replicas of a backend: what is tried again; and one that is found by a name, with TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import TandemError, Unavailable
from tests.certificates import Authority, backend_settings
from tests.integration.gateway.fakes import GENERATE, SAMPLE, FakeBackend, FakeParallel, FakeSequential, sequential
from tests.integration.gateway.running import RunningGateway, running_gateway

REQUEST = ar_pb2.GenerateRequest(text="a").SerializeToString()


@pytest.fixture
async def other() -> AsyncIterator[FakeBackend]:
    async with sequential() as backend:
        yield backend


@pytest.fixture
async def pair(ar: FakeBackend, other: FakeBackend) -> AsyncIterator[RunningGateway]:
    async with running_gateway([ar, other]) as gateway:
        await gateway.until_replicas_serve(SEQUENTIAL, 2)
        yield gateway


async def code_of(gateway: RunningGateway) -> grpc.StatusCode:
    stream = gateway.stream(GENERATE, REQUEST)
    try:
        [_ async for _ in stream]
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


class Cancelled(TandemError):
    code = "CANCELLED"


async def test_a_call_that_a_stopping_server_cancels_is_tried_elsewhere(
    pair: RunningGateway, ar: FakeBackend, other: FakeBackend
) -> None:
    async def cancel() -> None:
        raise Cancelled

    ar.servicer.before_message = lambda index: cancel()
    for _ in range(4):
        assert await code_of(pair) is grpc.StatusCode.OK
    assert other.servicer.num_calls == 4
    ar.servicer.before_message = other.servicer.before_message = lambda index: cancel() if index == 1 else None
    assert await code_of(pair) is grpc.StatusCode.CANCELLED
    await pair.until_idle()
    assert other.servicer.num_calls + ar.servicer.num_calls == 4 + 1 + pair.value("tandem_retries_total")


async def test_tries_have_an_end(gateway: RunningGateway, text: FakeSequential) -> None:
    async def refuse() -> None:
        raise Unavailable("not yet")

    text.before_message = lambda index: refuse()
    assert await code_of(gateway) is grpc.StatusCode.UNAVAILABLE
    assert text.num_calls == 4
    await gateway.until_idle()
    assert gateway.value("tandem_retries_total", paradigm=SEQUENTIAL) == 3


async def test_a_backend_found_by_name_is_known_by_that_name(tmp_path: Path) -> None:
    """Its name stands for IP addresses, and the connection is to one of these; the certificate need not name them."""
    ours = Authority(tmp_path, "ours")
    async with FakeBackend(PARALLEL, FakeParallel(), ours.server("localhost", mutual=True)) as gan:
        settings = {"gan_targets": [f"localhost:{gan.port}"], **backend_settings(ours.client("gateway"))}
        async with running_gateway(**settings) as gateway:
            await gateway.until_replicas_serve(PARALLEL, 1)
            assert [replica.address for replica in gateway.gateway.replicas.of(PARALLEL)] == [gan.target]
            await gateway.unary(SAMPLE, b"")
