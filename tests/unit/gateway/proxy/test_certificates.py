"""When Envoy is told to read the certificates again: after a change that is over, and only then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.proxy import certificates
from gateway.proxy.certificates import stamp, watch_certificates
from gateway.proxy.sockets import Sockets, private_sockets


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    with private_sockets() as made:
        yield made


class Looks:
    """Stands in for the waits between looks: a look happens when the test says so."""

    def __init__(self) -> None:
        self._turns: asyncio.Queue[None] = asyncio.Queue()
        self._waiting = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._waiting.set()
        await self._turns.get()

    async def look(self) -> None:
        """Have one look taken, and return when it is over."""
        await self._waiting.wait()
        self._waiting.clear()
        self._turns.put_nowait(None)
        await self._waiting.wait()


@pytest.fixture
async def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    made = Looks()
    monkeypatch.setattr(certificates.asyncio, "sleep", made.sleep)
    return made


async def test_a_change_is_told_once_when_it_is_over(looks: Looks, sockets: Sockets, tmp_path: Path) -> None:
    cert, key, told = tmp_path / "cert", tmp_path / "key", sockets.reload / "now"
    cert.write_text("a")
    key.write_text("a")
    watch = asyncio.create_task(watch_certificates((cert, key), sockets))
    await looks.look()
    cert.write_text("new")
    await looks.look()
    key.write_text("new")  # the second half of one change
    await looks.look()
    assert not told.exists()
    await looks.look()
    assert told.exists()
    told.unlink()
    await looks.look()
    await looks.look()
    assert not told.exists()
    watch.cancel()


def test_a_link_to_another_file_is_a_change_and_so_is_a_file_that_is_gone(tmp_path: Path) -> None:
    """Kubernetes changes links only."""
    link, stamps = tmp_path / "link", []
    for name in ("one", "two"):
        (tmp_path / name).write_text("same")
        os.symlink(tmp_path / name, tmp_path / "next")
        os.replace(tmp_path / "next", link)
        stamps.append(stamp((link,)))
    link.unlink()
    assert len({*stamps, stamp((link,))}) == 3
