"""Client and commands through the real gateway, with scripted backends: nothing is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tests.certificates import Authority
from tests.integration.gateway.fakes import FakeBackend
from tests.integration.gateway.running import running_gateway
from tests.integration.tandem.cli.commands import run, tandem
from tests.integration.tandem.fakes import FakeParallel, FakeSequential


@dataclass(frozen=True)
class Tandem:
    """A real gateway and the two models behind it."""

    address: str
    http_address: str
    sequential: FakeSequential
    parallel: FakeParallel


@pytest.fixture
async def whole() -> AsyncIterator[Tandem]:
    sequential, parallel = FakeSequential(), FakeParallel()
    async with (
        FakeBackend(SEQUENTIAL, sequential) as text,
        FakeBackend(PARALLEL, parallel) as images,
        running_gateway([text], [images]) as running,
    ):
        await running.until(serving=True)
        http_address = running.web_address.removeprefix("http://")
        yield Tandem(f"127.0.0.1:{running.gateway.server.port}", http_address, sequential, parallel)


async def test_a_backend_that_is_away_is_not_a_missing_gateway(whole: Tandem) -> None:
    async with FakeBackend(SEQUENTIAL, FakeSequential()) as text, running_gateway([text], []) as running:
        ended = await run(*tandem("sample", "--address", f"127.0.0.1:{running.gateway.server.port}"))
    assert ended.code == 1
    assert ended.err.startswith("error: ")
    assert "no Tandem gateway" not in ended.err


async def test_what_an_address_is_not_is_said_in_one_line(whole: Tandem, tmp_path: Path) -> None:
    not_grpc = f"error: {whole.http_address} answers, but not in gRPC: it may be an HTTP port"
    ended = await run(*tandem("sample", "--address", whole.http_address))
    assert (ended.code, ended.err.startswith(not_grpc)) == (1, True), ended.err
    ended = await run(*tandem("sample", "--address", f"http://{whole.address}"))
    assert (ended.code, "without http://" in ended.err) == (1, True), ended.err
    secure = {"TANDEM_CLIENT_CA": str(Authority(tmp_path, "ours").ca)}
    ended = await run(*tandem("sample", "--address", whole.address), variables=secure)
    assert (ended.code, "it may not use TLS (unset TANDEM_CLIENT_CA)" in ended.err) == (1, True), ended.err
