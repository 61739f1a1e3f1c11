"""The life of a stack of processes: ready, stopped in order, a dead one explained, a stubborn one killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tandem.cli.servers.stack import Stack
from tandem.cli.servers.startup_display import StartupDisplay
from tandem.cli.terminal import Terminal
from tests.integration.tandem.cli.commands import started
from tests.integration.tandem.cli.servers.stack_of_fakes import NAMES, specs

STOPPED = 130
LIMIT_SECONDS = 180  # a guard against hanging: each start of a process takes seconds where cores are busy


class Display(StartupDisplay):
    """Raises a signal at the first log line, when stopping begins, or both. `again`: who was ready again."""

    def __init__(self, *moments: str, verbose: bool = False) -> None:
        super().__init__(Terminal(), list(NAMES), verbose)
        self._moments = set(moments)
        self.again: asyncio.Queue[str] = asyncio.Queue()

    def logged(self, name: str, line: str) -> None:
        super().logged(name, line)
        self._signal_at("logged")

    def stop(self) -> None:
        super().stop()
        self._signal_at("stopping")

    def ready_again(self, name: str) -> None:
        super().ready_again(name)
        self.again.put_nowait(name)

    def _signal_at(self, moment: str) -> None:
        if moment in self._moments:
            self._moments.remove(moment)
            signal.raise_signal(signal.SIGINT)


async def done() -> int:
    return 7


async def forever() -> int:
    await asyncio.Event().wait()
    return 7


async def until_sigterm() -> int:
    signal.raise_signal(signal.SIGTERM)
    return await forever()


async def run(
    folder: Path,
    work: Callable[[], Awaitable[int]],
    *modes: str,
    display: Display | None = None,
    grace_seconds: float = 3600.0,
    restarts: bool = False,
    slow_seconds: float = 60.0,
) -> int:
    """Run fake processes of these modes, the last one in front of the others."""
    *backends, front = specs(folder, modes or ["serve"])
    stack = Stack(
        [backends, [front]],
        folder / "logs",
        display or Display(),
        grace_seconds,
        restarts=restarts,
        slow_seconds=slow_seconds,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        return await stack.run(work, STOPPED)


def kill(name: str, folder: Path) -> None:
    """Kill the child of ours of this name."""
    words = {name, str(folder / "journal")}
    pid = next(child.pid for child in psutil.Process().children() if words <= set(child.cmdline()))
    os.kill(pid, signal.SIGKILL)


def journal(folder: Path) -> list[str]:
    return (folder / "journal").read_text().splitlines()


async def test_a_signal_stops_the_gateway_first_and_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(tmp_path, until_sigterm, *["serve"] * 3) == STOPPED
    first, *others = journal(tmp_path)
    assert (first, sorted(others)) == ("gateway stopped", ["parallel stopped", "sequential stopped"])
    shown = capsys.readouterr().err
    assert "sequential: ready after" in shown
    assert "gateway: stopped" in shown
    assert "serving on port" in (tmp_path / "logs" / "gateway.log").read_text()


async def test_a_child_that_can_not_start_is_named_with_its_last_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(tmp_path, done, "serve", "broken", "serve", restarts=True) == 1
    shown = capsys.readouterr().err
    for words in ("the parallel process ended by itself (exit code 1)", "the weights are broken", "gateway: stopped"):
        assert words in shown
    assert "sequential: stopped" in shown
    assert "started once more" not in shown


async def test_a_child_that_is_killed_is_started_once_more_and_another_death_ends_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    display, log = Display(), tmp_path / "logs" / "sequential.log"

    async def work() -> int:
        for name in ("sequential", "gateway"):
            kill(name, tmp_path)
            assert await display.again.get() == name
        kill("sequential", tmp_path)
        return await forever()

    assert await run(tmp_path, work, *["serve"] * 3, display=display, restarts=True) == 1
    shown = capsys.readouterr().err
    assert f"sequential: ended by itself (signal 9), is started once more; its log is in {log}\n" in shown
    assert "sequential: ready again, " in shown
    assert f"the sequential process ended by itself (signal 9); its whole log is in {log}" in shown
    assert log.read_text().count("serving on port") == 2
    assert sorted(journal(tmp_path)) == ["gateway stopped", "parallel stopped"]


async def test_a_stubborn_child_is_killed_when_its_grace_is_over_or_at_a_second_signal(tmp_path: Path) -> None:
    assert await run(tmp_path, until_sigterm, "stubborn", grace_seconds=1.0) == STOPPED
    assert await run(tmp_path, forever, "stubborn", display=Display("logged", "stopping")) == STOPPED
    assert journal(tmp_path)[0] == "sequential stopped"


async def test_a_stop_while_loading_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(tmp_path, forever, display=Display("logged")) == STOPPED
    assert capsys.readouterr().err.splitlines()[-1] == "sequential: stopped"


async def test_a_process_that_is_slow_is_named_with_its_log_which_verbose_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(tmp_path, done, display=Display(verbose=True), slow_seconds=0.0) == 7
    shown = capsys.readouterr().err
    slow = f"sequential: not ready yet; its log is in {tmp_path / 'logs' / 'sequential.log'}"
    assert shown.index(slow) < shown.index("sequential: ready after")
    assert any(line.startswith("sequential") and "loading fake" in line for line in shown.splitlines())


async def test_all_are_stopped_though_that_raises_for_one(tmp_path: Path) -> None:
    class Faulty(Display):
        def stopped(self, name: str) -> None:
            if name == "parallel":
                raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        await run(tmp_path, done, *["serve"] * 2, display=Faulty())
    assert journal(tmp_path) == ["parallel stopped", "sequential stopped"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
async def test_nothing_is_left_behind_when_we_are_killed(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "tests.integration.tandem.cli.servers.stack_of_fakes", str(tmp_path))
    async with asyncio.timeout(LIMIT_SECONDS), started(*command) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        children = psutil.Process(process.pid).children()
        process.kill()
        _, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=30)
        assert (len(children), alive) == (3, [])
