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

from tandem.cli.servers.plan import Ports
from tandem.cli.servers.ports import free_ports
from tests.integration.tandem.cli.commands import run, started, tandem

LIMIT_SECONDS = 180  # a guard against hanging: each start of a process takes seconds where cores are busy


def stack(folder: Path, *modes: str, num_restarts: int = 0) -> tuple[str, ...]:
    return (
        sys.executable,
        "-m",
        "tests.integration.tandem.cli.servers.stack_of_fakes",
        str(folder),
        str(num_restarts),
        *modes,
    )


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


@pytest.mark.parametrize("num_restarts", [0, 5])
async def test_a_child_that_can_not_start_is_named_with_its_last_lines(tmp_path: Path, num_restarts: int) -> None:
    ended = await run(*stack(tmp_path, "serve", "broken", "serve", num_restarts=num_restarts))
    assert ended.code == 1
    assert "ready" not in ended.out
    assert "the parallel process ended by itself (exit code 1)" in ended.err
    assert "the weights are broken" in ended.err
    assert "gateway: stopped" in ended.err
    assert "sequential: stopped" in ended.err
    assert "started again" not in ended.err


@pytest.mark.parametrize("name", ["sequential", "gateway"])
async def test_a_child_that_is_killed_is_started_again(tmp_path: Path, name: str) -> None:
    command = stack(tmp_path, "serve", "serve", "serve", num_restarts=2)
    async with asyncio.timeout(LIMIT_SECONDS), started(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n"
        killed = []
        for number in (1, 2):
            killed.append(child_of(process.pid, name))
            os.kill(killed[-1], signal.SIGKILL)
            line = await line_with(process.stderr, "started again")
            assert line.startswith(f"{name}: ended by itself (signal 9), is started again now (attempt {number} of 2)")
            assert line.endswith(f"its log is in {tmp_path / 'logs' / name}.log")
            assert (await line_with(process.stderr, "ready again")).startswith(f"{name}: ready again, ")
        assert child_of(process.pid, name) not in killed
        assert (tmp_path / "logs" / f"{name}.log").read_text().count("serving on port") == 3
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert sorted(journal(tmp_path)) == ["gateway stopped", "parallel stopped", "sequential stopped"]


async def test_a_child_that_does_not_start_any_more_ends_the_stack_after_enough_attempts(tmp_path: Path) -> None:
    command = stack(tmp_path, "serve", "once", "serve", num_restarts=3)
    async with asyncio.timeout(LIMIT_SECONDS), started(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n"
        os.kill(child_of(process.pid, "parallel"), signal.SIGKILL)
        assert await process.wait() == 1
        shown = (await process.stderr.read()).decode()
    deaths = [line for line in shown.splitlines() if "started again" in line]
    assert [line.partition(", is")[0] for line in deaths] == [
        "parallel: ended by itself (signal 9)",
        *["parallel: ended by itself (exit code 1)"] * 2,
    ]
    assert "(attempt 3 of 3)" in deaths[-1]
    assert "the parallel process ended by itself (exit code 1)" in shown
    assert "the weights are broken" in shown
    log = (tmp_path / "logs" / "parallel.log").read_text()
    assert (log.count("serving on port"), log.count("the weights are broken")) == (1, 3)


async def test_a_stop_while_a_child_starts_again_is_no_error(tmp_path: Path) -> None:
    command = stack(tmp_path, "serve", "serve", "serve", num_restarts=5)
    async with asyncio.timeout(LIMIT_SECONDS), started(*command) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert await process.stdout.readline() == b"ready\n"
        children = psutil.Process(process.pid).children()
        os.kill(child_of(process.pid, "parallel"), signal.SIGKILL)
        await line_with(process.stderr, "started again")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
        assert not any(child.is_running() for child in children)


async def test_where_nothing_is_started_again_a_child_that_is_killed_ends_the_stack(tmp_path: Path) -> None:
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


async def line_with(stream: asyncio.StreamReader, words: str) -> str:
    """Return the next line with `words` in it."""
    while line := await stream.readline():
        if words in (text := line.decode().rstrip()):
            return text
    pytest.fail(f"no line with {words!r}")


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
