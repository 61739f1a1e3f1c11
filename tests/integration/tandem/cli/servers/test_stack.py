"""A stack in this process: what is printed when, a stop while it loads, a second signal, and what goes wrong."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tandem.cli.servers.stack import Stack
from tandem.cli.servers.startup_display import StartupDisplay
from tandem.cli.terminal import Terminal
from tests.integration.tandem.cli.servers.stack_of_fakes import specs

LIMIT_SECONDS = 60


class Display(StartupDisplay):
    """Raises a signal at the first log line, when stopping begins, or both."""

    def __init__(self, *moments: str, verbose: bool = False, number: int = signal.SIGINT) -> None:
        super().__init__(Terminal(), ["sequential"], verbose)
        self._number = number
        self._moments = set(moments)

    def logged(self, name: str, line: str) -> None:
        super().logged(name, line)
        self._signal_at("logged")

    def stop(self) -> None:
        super().stop()
        self._signal_at("stopping")

    def _signal_at(self, moment: str) -> None:
        if moment in self._moments:
            self._moments.remove(moment)
            signal.raise_signal(self._number)


async def run(folder: Path, display: Display, mode: str = "serve", is_endless: bool = True) -> int:
    async def work() -> int:
        if is_endless:
            await asyncio.Event().wait()
        return 7

    stack = Stack([specs(folder, [mode] * 3)[:1]], folder / "logs", display, grace_seconds=3600.0, restarts=False)
    async with asyncio.timeout(LIMIT_SECONDS):
        return await stack.run(work)


async def test_verbose_shows_the_logs_with_their_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(tmp_path, Display(verbose=True), is_endless=False) == 7
    lines = capsys.readouterr().err.splitlines()
    assert any(line.startswith("sequential") and "loading fake" in line for line in lines)
    assert "sequential: stopped" in lines


async def test_a_stop_while_loading_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(tmp_path, Display("logged")) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "sequential: stopped"


async def test_a_process_that_is_slow_is_named_with_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> int:
        return 7

    display, logs = Display(), tmp_path / "logs"
    stack = Stack([specs(tmp_path, ["serve"])], logs, display, 3600.0, restarts=False, slow_seconds=0.0)
    async with asyncio.timeout(LIMIT_SECONDS):
        assert await stack.run(work) == 7
    shown = capsys.readouterr().err
    assert shown.index(f"sequential: not ready yet; its log is in {logs / 'sequential.log'}") < shown.index(
        "sequential: ready after"
    )


async def test_a_second_signal_does_not_wait_for_the_stubborn(tmp_path: Path) -> None:
    assert await run(tmp_path, Display("logged", "stopping"), mode="stubborn") == 0


async def test_all_are_stopped_though_that_raises_for_one(tmp_path: Path) -> None:
    class Faulty(Display):
        def stopped(self, name: str) -> None:
            if name == "parallel":
                raise RuntimeError("out of order")

    async def work() -> int:
        return 7

    display = Faulty()
    first, last = specs(tmp_path, ["serve"] * 2)
    stack = Stack([[first], [last]], tmp_path / "logs", display, 3600.0, restarts=False)
    with pytest.raises(RuntimeError, match="out of order"):
        async with asyncio.timeout(LIMIT_SECONDS):
            await stack.run(work)
    assert (tmp_path / "journal").read_text() == "parallel stopped\nsequential stopped\n"
