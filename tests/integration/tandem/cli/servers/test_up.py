"""What `tandem up` says before it starts anything."""

from __future__ import annotations

import os
import socket
from dataclasses import fields
from pathlib import Path

from tandem.cli.servers.plan import Ports
from tandem.cli.servers.ports import free_ports
from tests.integration.tandem.cli.commands import run, tandem


def up(**ports: int) -> tuple[str, ...]:
    """Return the command, with free ports for every option that takes one but for those that are named."""
    names = [field.name for field in fields(Ports)]
    chosen = dict(zip(names, free_ports(len(names)), strict=True)) | ports
    return tandem("up", *(f"--{name.replace('_', '-')}={port}" for name, port in chosen.items()))


async def test_a_port_in_use_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await run(*up(gan_metrics_port=port))
    assert (ended.code, ended.out) == (1, "")
    assert f"port {port} is in use by" in ended.err
    assert f"(pid {os.getpid()}); choose another with --gan-metrics-port" in ended.err


async def test_without_models_nothing_is_started(tmp_path: Path) -> None:
    ended = await run(*up(), "--models-dir", str(tmp_path / "none"))
    assert ended.code == 1
    assert "no models there; --models-dir says where they are" in ended.err
