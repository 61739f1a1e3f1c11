"""A child's readiness is seen whether it serves with TLS or in the clear, whatever the environment says of TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.server.server import RpcServer
from tandem.cli.servers.child import Child, ChildSpec
from tests.certificates import Authority


@pytest.mark.parametrize("with_tls", [True, False])
async def test_ready_with_tls_or_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_tls: bool) -> None:
    ours = Authority(tmp_path, "ours")
    monkeypatch.setenv("TANDEM_CLIENT_CA", str(ours.ca))
    server = RpcServer("127.0.0.1", 0, [], [], ours.server() if with_tls else None)
    await server.start()
    spec = ChildSpec("child", (), f"127.0.0.1:{server.port}")
    waiting = asyncio.create_task(Child(spec, tmp_path / "log", lambda *_: None).wait_ready())
    try:
        await server.health.set_serving(True)
        async with asyncio.timeout(20):
            await waiting
    finally:
        await server.stop(0)
