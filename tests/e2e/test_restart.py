"""`tandem up` with the real processes: a backend that is killed comes back, and answers as before."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import fields
from pathlib import Path

import psutil
import pytest

from tandem.cli.servers.plan import Ports
from tandem.cli.servers.ports import free_ports
from tandem.client import AsyncTandemClient, Unavailable
from tests.integration.tandem.cli.commands import started, tandem
from tests.tiny_models import add_to_repository

# Hang guards, long enough for a machine whose cores are busy.
LIMIT_SECONDS = 240
GAN = Path("models/fashion-gan").resolve()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    add_to_repository(tmp_path / "models")
    shutil.copytree(GAN, tmp_path / "models" / GAN.name)
    return tmp_path / "models"


async def test_a_backend_that_is_killed_serves_again(tmp_path: Path, models_dir: Path) -> None:
    ports = Ports(*free_ports(len(fields(Ports))))
    words = [f"--{field.name.replace('_', '-')}={getattr(ports, field.name)}" for field in fields(Ports)]
    words += [f"--models-dir={models_dir}", "--sequential-model=tiny", f"--parallel-model={GAN.name}"]
    async with asyncio.timeout(LIMIT_SECONDS), started(*tandem("up", *words), folder=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        await until_line(process.stdout, "Ctrl-C")
        async with AsyncTandemClient(f"127.0.0.1:{ports.port}") as client:
            before = await answers(client)
            for module in ("services.ar", "services.gan"):
                os.kill(pid_of(process.pid, module), signal.SIGKILL)
                await until_line(process.stderr, "ended by itself (signal 9), is started once more")
                await until_line(process.stderr, "ready again")
                assert await answers(client) == before, module
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def answers(client: AsyncTandemClient) -> tuple[str, bytes]:
    """Return a text and an image of fixed seeds; the gateway may need a moment until it sees a backend."""
    while True:
        try:
            text = await client.complete("The two clocks", seed=1, max_tokens=8)
            images = await client.sample(1, seed=1)
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return text.choices[0].text, images.pixels.tobytes()


async def until_line(stream: asyncio.StreamReader, words: str) -> None:
    while words not in (line := (await stream.readline()).decode()):
        assert line, f"no line with {words!r}"


def pid_of(parent: int, module: str) -> int:
    return next(child.pid for child in psutil.Process(parent).children() if module in child.cmdline())
