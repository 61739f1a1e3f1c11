"""The life of a stack of processes: ready, stopped in order, a dead one explained, a stubborn one killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from pathlib import Path

import psutil
import pytest

from tandem.cli.servers.plan import Ports
from tandem.cli.servers.ports import free_ports
from tests.integration.tandem.cli.commands import run, started, tandem

LIMIT_SECONDS = 180  # a guard against hanging: each start of a process takes seconds where cores are busy


def stack(folder: Path, *modes: str, restarts: bool = False) -> tuple[str, ...]:
    module = "tests.integration.tandem.cli.servers.stack_of_fakes"
    return (sys.executable, "-m", module, str(folder), "restarts" if restarts else "no-restarts", *modes)


@contextlib.asynccontextmanager
async def ready_stack(folder: Path, *modes: str, restarts: bool = False) -> AsyncIterator[Stack]:
    """Start three fake processes and wait until all are ready."""
    modes = modes or ("serve", "serve", "serve")
    command = stack(folder, *modes, restarts=restarts)
    async with asyncio.timeout(LIMIT_SECONDS), started(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n"
        yield Stack(process, process.stderr)


@dataclass(frozen=True)
class Stack:
    process: asyncio.subprocess.Process
    errors: asyncio.StreamReader

    def kill(self, name: str) -> int:
        """Kill the child whose command line has the word `name`; return its pid."""
        pid = next(child.pid for child in self.children() if name in child.cmdline())
        os.kill(pid, signal.SIGKILL)
        return pid

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children())

    async def stop(self) -> str:
        """Ask for an end, expect a good one, and return what was printed until then."""
        self.process.send_signal(signal.SIGTERM)
        assert await self.process.wait() == 0
        return (await self.errors.read()).decode()


def journal(folder: Path) -> list[str]:
    return (folder / "journal").read_text().splitlines()


async def test_a_signal_stops_the_gateway_first_and_all_of_them(tmp_path: Path) -> None:
    async with ready_stack(tmp_path) as running:
        shown = await running.stop()
    lines = journal(tmp_path)
    assert lines[0] == "gateway stopped"
    assert sorted(lines[1:]) == ["parallel stopped", "sequential stopped"]
    assert "sequential: ready after" in shown
    assert "gateway: stopped" in shown
    assert "serving on port" in (tmp_path / "logs" / "gateway.log").read_text()


async def test_a_child_that_can_not_start_is_named_with_its_last_lines(tmp_path: Path) -> None:
    ended = await run(*stack(tmp_path, "serve", "broken", "serve", restarts=True))
    assert ended.code == 1
    assert "ready" not in ended.out
    for words in ("the parallel process ended by itself (exit code 1)", "the weights are broken", "gateway: stopped"):
        assert words in ended.err
    assert "sequential: stopped" in ended.err
    assert "started once more" not in ended.err


async def test_a_child_that_is_killed_is_started_once_more_and_another_death_ends_all(tmp_path: Path) -> None:
    async with ready_stack(tmp_path, restarts=True) as running:
        running.kill("sequential")
        line = await line_with(running.errors, "started once more")
        assert line.startswith("sequential: ended by itself (signal 9), is started once more")
        assert line.endswith(f"its log is in {tmp_path / 'logs' / 'sequential.log'}")
        assert (await line_with(running.errors, "ready again")).startswith("sequential: ready again, ")
        assert (tmp_path / "logs" / "sequential.log").read_text().count("serving on port") == 2
        running.kill("gateway")
        await line_with(running.errors, "gateway: ready again, ")
        running.kill("sequential")
        assert await running.process.wait() == 1
        assert "the sequential process ended by itself (signal 9)" in (await running.errors.read()).decode()
    assert sorted(journal(tmp_path)) == ["gateway stopped", "parallel stopped"]


async def test_a_stubborn_child_is_killed(tmp_path: Path) -> None:
    async with ready_stack(tmp_path, "stubborn", "serve", "serve") as running:
        await running.stop()
    assert "sequential stopped" in journal(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
async def test_nothing_is_left_behind_when_we_are_killed(tmp_path: Path) -> None:
    async with ready_stack(tmp_path) as running:
        children = running.children()
        running.process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=30)
        assert (len(children), alive) == (3, [])


async def line_with(stream: asyncio.StreamReader, words: str) -> str:
    """Return the next line with `words` in it."""
    while line := await stream.readline():
        if words in (text := line.decode().rstrip()):
            return text
    pytest.fail(f"no line with {words!r}")


def port_words() -> dict[str, str]:
    """Return free ports for every option that takes one."""
    ports = free_ports(len(fields(Ports)))
    return {f"--{field.name.replace('_', '-')}": str(port) for field, port in zip(fields(Ports), ports, strict=True)}


def flat(options: dict[str, str]) -> list[str]:
    return [word for option in options.items() for word in option]


async def test_a_port_in_use_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await run(*tandem("up", *flat(port_words() | {"--gan-metrics-port": str(port)})))
    assert ended.code == 1
    assert f"port {port} is in use by" in ended.err
    assert f"(pid {os.getpid()}); choose another with --gan-metrics-port" in ended.err
    assert not ended.out


async def test_without_models_nothing_is_started(tmp_path: Path) -> None:
    ended = await run(*tandem("up", *flat(port_words()), "--models-dir", str(tmp_path / "none")))
    assert ended.code == 1
    assert "no models there; --models-dir says where they are" in ended.err
