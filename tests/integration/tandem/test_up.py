"""The life of a stack of processes: ready, stopped in order, a dead one explained, a stubborn one killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import fields
from pathlib import Path

import psutil
import pytest

from tandem.cli.plan import Ports
from tandem.cli.ports import free_ports
from tests.integration.tandem.commands import run, started, tandem

LIMIT_SECONDS = 60


def stack(folder: Path, *modes: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tests.integration.tandem.stack_of_fakes", str(folder), *modes)


def journal(folder: Path) -> list[str]:
    return (folder / "journal").read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_gateway_first_and_all_of_them(tmp_path: Path, number: signal.Signals) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), started(*stack(tmp_path, "serve", "serve", "serve")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert await process.wait() == 0
        shown = (await process.stderr.read()).decode()
    lines = journal(tmp_path)
    assert lines[0] == "gateway stopped"
    assert sorted(lines[1:]) == ["parallel stopped", "sequential stopped"]
    assert "sequential: ready after" in shown
    assert "gateway: stopped" in shown
    assert "serving on port" in (tmp_path / "logs" / "gateway.log").read_text()


async def test_a_child_that_dies_is_named_with_its_last_lines(tmp_path: Path) -> None:
    ended = await run(*stack(tmp_path, "serve", "broken", "serve"))
    assert ended.code == 1
    assert "ready" not in ended.out
    assert "the parallel process ended by itself (exit code 1)" in ended.err
    assert "the weights are broken" in ended.err
    assert "gateway: stopped" in ended.err
    assert "sequential: stopped" in ended.err


async def test_a_child_that_is_killed_later_is_named_too(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), started(*stack(tmp_path, "serve", "serve", "serve")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n"
        os.kill(child_of(process.pid, "sequential"), signal.SIGKILL)
        assert await process.wait() == 1
        assert "the sequential process ended by itself (signal 9)" in (await process.stderr.read()).decode()
    assert journal(tmp_path) == ["gateway stopped", "parallel stopped"]


async def test_a_stubborn_child_is_killed(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), started(*stack(tmp_path, "stubborn", "serve", "serve")) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert "sequential stopped" in journal(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
async def test_nothing_is_left_behind_when_we_are_killed(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS), started(*stack(tmp_path, "serve", "serve", "serve")) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        children = psutil.Process(process.pid).children()
        process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=30)
        assert (len(children), alive) == (3, [])


def child_of(parent: int, name: str) -> int:
    """Return the pid of the child whose command line has the word `name`."""
    children: list[psutil.Process] = psutil.Process(parent).children()
    return next(child.pid for child in children if name in child.cmdline())


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
