"""Commands before the real gateway: what they say of one without a backend, and of what is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.integration.gateway.running import RunningGateway, running_gateway
from tests.integration.tandem.cli.commands import Ended, run, tandem


@pytest.fixture
async def gateway() -> AsyncIterator[RunningGateway]:
    async with running_gateway() as running:
        yield running


async def sample(address: str, **variables: str) -> Ended:
    ended = await run(*tandem("sample", "--address", address), variables=variables)
    assert (ended.code, len(ended.err.splitlines())) == (1, 1), ended.err
    return ended


async def test_a_backend_that_is_away_is_not_a_missing_gateway(gateway: RunningGateway) -> None:
    ended = await sample(f"127.0.0.1:{gateway.gateway.server.port}")
    assert ended.err == "error: parallel backend is not configured\n"


async def test_what_an_address_is_not_is_said_in_one_line(gateway: RunningGateway, tmp_path: Path) -> None:
    http_address = gateway.web_address.removeprefix("http://")
    not_grpc = f"error: {http_address} answers, but not in gRPC: it may be an HTTP port"
    assert (await sample(http_address)).err.startswith(not_grpc)
    address = f"127.0.0.1:{gateway.gateway.server.port}"
    assert "without http://" in (await sample(f"http://{address}")).err
    ca = str(Authority(tmp_path, "ours").ca)
    assert "it may not use TLS (unset TANDEM_CLIENT_CA)" in (await sample(address, TANDEM_CLIENT_CA=ca)).err
