"""The clock of the proxy's sockets, in a real Envoy: it begins when bytes arrive, not when Envoy comes to read them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.figures.log_entry import times_of
from gateway.proxy import modules
from gateway.proxy.sent_times import SentTimes
from gateway.proxy.sockets import Sockets
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled import recipe
from tandem.shared.compiled.compiler import CompilerFailed
from tests.integration.gateway.fakes import GENERATE, SCORE
from tests.integration.gateway.proxy.backend import Backend, Call, first_then_never
from tests.integration.gateway.proxy.running import Proxy, proxy
from tests.waiting import until

STANDS_SECONDS = 0.1
LARGE = bytes(10_000)
"""More than a health check or a ping."""
LOCAL, REMOTE = 1, 2
"""Fields of /proc/net/tcp."""


@contextlib.asynccontextmanager
async def standing_still(envoy: int, side: int, port: int) -> AsyncIterator[None]:
    """Stop Envoy for the block, until LARGE has come unread to its socket with this port, and a moment longer."""
    os.kill(envoy, signal.SIGSTOP)
    try:
        await until(lambda: Path(f"/proc/{envoy}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        yield
        await until(lambda: num_unread(side, port) >= len(LARGE))
        await asyncio.sleep(STANDS_SECONDS)
    finally:
        os.kill(envoy, signal.SIGCONT)


def num_unread(side: int, port: int) -> int:
    """Return the bytes that the sockets with this port at one side hold for their process."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(line[4].partition(":")[2], 16) for line in lines if int(line[side].partition(":")[2], 16) == port)


async def test_a_request_that_waits_unread_is_counted_from_its_arrival(single: Proxy) -> None:
    await single.call(SCORE)  # the connection is there
    began = time.monotonic()
    async with standing_still(single.envoy.pid, LOCAL, single.envoy.ports["grpc"]):
        call = asyncio.create_task(single.call(SCORE, LARGE))
    await call
    seen = time.monotonic() - began
    entry = await single.observer.entry(2)
    handed_over = times_of(entry)
    SentTimes(single.sockets.sent_times).put_into(entry)
    times = times_of(entry)
    assert times.is_of_sockets
    assert STANDS_SECONDS <= times.unread < handed_over.total < times.total < seen


async def test_a_reply_that_waits_unread_is_counted_from_its_arrival(single: Proxy, ar: Backend) -> None:
    """The backend answers while Envoy stands still; it was asked before, so the head did not wait for that."""
    is_asked, is_stopped = asyncio.Event(), asyncio.Event()

    async def wait(request: bytes, _: Call) -> AsyncIterator[bytes]:
        is_asked.set()
        await is_stopped.wait()
        yield LARGE

    ar.answer = wait
    began = time.monotonic()
    call = asyncio.create_task(single.call(SCORE))
    await is_asked.wait()
    seen = time.monotonic() - began
    async with standing_still(single.envoy.pid, REMOTE, ar.port):
        is_stopped.set()
    await call
    times = times_of(await single.observer.entry())
    assert times.reply_unread >= STANDS_SECONDS
    assert times.unread < seen


async def test_what_a_client_gives_up_has_an_arrival_and_no_end(single: Proxy, ar: Backend) -> None:
    ar.answer = first_then_never
    call = single.stream(GENERATE)
    await anext(aiter(call))
    call.cancel()
    times = times_of(await single.observer.entry())
    assert times.is_of_sockets
    assert times.reply_unread == 0.0 < times.ended


async def test_without_a_compiler_the_clock_is_envoy_s_own(
    ar: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise CompilerFailed("no compiler")

    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    monkeypatch.setattr(recipe, "find_compiler", fail)
    async with proxy(ar=[ar]) as running:
        await running.until_serving(1)
        await running.call(SCORE)
        times = times_of(await running.observer.entry())
    assert (times.is_of_sockets, times.unread) == (False, 0.0)
    assert "times in the proxy's sockets are not measured" in caplog.text


def test_another_envoy_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "packaged_version", lambda: "1.41.0")
    assert modules.place_clock(Sockets(tmp_path)) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder, which root may")
def test_from_a_folder_that_runs_nothing_envoy_loads_no_copy(tmp_path: Path) -> None:
    """A container's /tmp is mounted with noexec."""
    place = f"print(modules.place_clock(sockets.Sockets(pathlib.Path({str(tmp_path)!r}))))"
    code = f"import pathlib; from gateway.proxy import modules, sockets; {place}"
    mount = f"mount -t tmpfs -o noexec tmpfs {tmp_path} || exit 9"
    command = ["unshare", "--mount", "sh", "-c", f'{mount}; exec "$0" -c "$1"', sys.executable, code]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode == 9 or ended.stderr.startswith("unshare"):
        pytest.skip(f"no mounts here: {ended.stderr}")
    assert ended.returncode == 0, ended.stderr
    assert Path(ended.stdout.strip()).parent == cache_folder() / "kernels"
