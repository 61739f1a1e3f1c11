"""A child's readiness is seen with TLS and without, whatever the environment says of TLS; its log holds it up never."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from pathlib import Path

import pytest

from runtime.server.server import RpcServer
from tandem.cli.servers.child import Child, ChildSpec
from tandem.cli.servers.startup_display import StartupDisplay
from tandem.cli.terminal import Terminal
from tests.certificates import Authority

# More than a pipe holds.
TALKATIVE = "for number in range(2000): print(number, 'x' * 100)"


class Display(StartupDisplay):
    """Notes what it hears, or fails."""

    def __init__(self, fault: OSError | None = None) -> None:
        super().__init__(Terminal(), ["child"], verbose=False)
        self._fault = fault
        self.lines: list[str] = []
        self.faults: list[tuple[str, Path, OSError]] = []

    def logged(self, name: str, line: str) -> None:
        if self._fault is not None:
            raise self._fault
        self.lines.append(line)

    def unwritten(self, name: str, log_path: Path, error: OSError) -> None:
        if self._fault is not None:
            raise self._fault
        self.faults.append((name, log_path, error))


@pytest.mark.parametrize("with_tls", [True, False])
async def test_ready_with_tls_or_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_tls: bool) -> None:
    ours = Authority(tmp_path, "ours")
    monkeypatch.setenv("TANDEM_CLIENT_CA", str(ours.ca))
    server = RpcServer("127.0.0.1", 0, [], [], ours.server() if with_tls else None)
    await server.start()
    spec = ChildSpec("child", (), f"127.0.0.1:{server.port}")
    waiting = asyncio.create_task(Child(spec, tmp_path / "log", Display()).wait_ready())
    try:
        await server.health.set_serving(True)
        async with asyncio.timeout(60):
            await waiting
    finally:
        await server.stop(0)


def spec_of(code: str) -> ChildSpec:
    return ChildSpec("child", (sys.executable, "-c", code), "127.0.0.1:1")


@pytest.mark.parametrize("is_full", [True, False])
async def test_a_log_that_cannot_be_written_does_not_hold_the_process_up(tmp_path: Path, is_full: bool) -> None:
    log_path = Path("/dev/full") if is_full else tmp_path  # a folder
    if not log_path.exists():
        pytest.skip("there is no /dev/full")
    display = Display()
    child = Child(spec_of(TALKATIVE), log_path, display)
    await child.start()
    async with asyncio.timeout(60):
        assert await child.wait_dead() == 0
    assert len(display.lines) == 2000
    assert child.tail[-1].startswith("1999 ")
    [(name, path, error)] = display.faults
    assert (name, path) == ("child", log_path)
    assert error.strerror


async def test_an_observer_that_fails_does_not_hold_the_process_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Display(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    child = Child(spec_of(TALKATIVE), tmp_path / "log", failing)
    await child.start()
    async with asyncio.timeout(60):
        assert await child.wait_dead() == 0
    assert child.tail[-1].startswith("1999 ")
    assert len((tmp_path / "log").read_text().splitlines()) == 2000
    [record] = caplog.records
    assert record.getMessage() == f"child: what it logs cannot be shown; its log is in {tmp_path / 'log'}"
    assert record.exc_info is not None
    unwritable = Child(spec_of(TALKATIVE), tmp_path, failing)
    await unwritable.start()
    async with asyncio.timeout(60):
        assert await unwritable.wait_dead() == 0
    assert unwritable.tail[-1].startswith("1999 ")
