"""How far a measurement is, on a terminal; elsewhere nothing is shown but a note of each stage."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tandem.cli.terminal import Terminal
from tandem.measure.formats import counted
from tandem.measure.generator.generator import Generator, stopped_by_hand
from tandem.measure.generator.run import RunResult
from tandem.measure.generator.workers import Progress as Counts
from tandem.measure.scenario import Scenario
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.observer import Observer

_LEAST_SECONDS = 0.2  # between two drawings of a comparison


async def measured(
    source: Generator, scenario: Scenario, terminal: Terminal, requests: Sequence[Sequence[bytes]] = ()
) -> tuple[RunResult, bool]:
    """Carry a scenario out, progress on display; return what it came to, and whether Ctrl-C broke it off.

    `requests`: as `Generator.run` takes them.
    """
    with stopped_by_hand(source.stop), shown_progress(terminal, scenario) as show:
        return await source.run(scenario, requests=requests, on_progress=show), source.stop.is_set()


@contextmanager
def shown_progress(terminal: Terminal, scenario: Scenario) -> Iterator[Callable[[Counts], None]]:
    """Yield what takes the counts of a run as they come."""
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with terminal.progress(*columns) as progress:
        task = progress.add_task("warm-up", total=1.0, counts="")

        def show(counts: Counts) -> None:
            done = _share_done(scenario, counts)
            name = "warm-up" if counts.elapsed_seconds < 0.0 else "measuring" if done < 1.0 else "draining"
            # What is not zero, and how many went well.
            shown = {each: number for each, number in counts.counts.items() if number or each == "ok"}
            text = " · ".join(f"{number:,} {each}" for each, number in shown.items())
            progress.update(task, completed=done, description=name, counts=text)

        yield show


def _share_done(scenario: Scenario, counts: Counts) -> float:
    """Return how much of the run, warm-up included, is done: by time or by number, whichever is further."""
    shares = [0.0]
    if scenario.duration_seconds is not None:
        whole = scenario.warm_up_seconds + scenario.duration_seconds
        shares.append((counts.elapsed_seconds + scenario.warm_up_seconds) / whole)
    if counts.num_planned:
        ended = sum(number for name, number in counts.counts.items() if name != "outstanding")
        shares.append(ended / counts.num_planned)
    return min(1.0, max(shares))


class Stage:
    """What runs now of a measurement of many runs. `stop` is set by Ctrl-C; measurements look at it."""

    def __init__(self, progress: Progress, stop: asyncio.Event, terminal: Terminal) -> None:
        self.stop = stop
        self._progress = progress
        self._terminal = terminal
        self._task = progress.add_task("", total=None, counts="")

    def named(self, text: str) -> None:
        self._progress.update(self._task, description=text, counts="")
        if self._progress.disable:
            self._terminal.note(text)

    def progressed(self, counts: Counts) -> None:
        self._progress.update(self._task, counts=f"{counts.counts.get('ok', 0):,} replies")


@contextmanager
def stages(terminal: Terminal) -> Iterator[Stage]:
    """Yield a display; while it lasts, Ctrl-C sets its `stop`. Call it where an event loop runs."""
    texts = (TextColumn("{task.description}"), TextColumn("{task.fields[counts]}"))
    with terminal.progress(SpinnerColumn(), *texts, TimeElapsedColumn()) as progress, stopped_by_hand() as stop:
        yield Stage(progress, stop, terminal)


class ProgressBar(Observer):
    """A line that says how far a comparison is. Draws only between two measurements."""

    def __init__(self, terminal: Terminal) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
        self._progress = terminal.progress(*columns, auto_refresh=False)
        self._task = self._progress.add_task("connecting", total=None)
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def trial_begins(self, number: int, concurrency: int, mode: Mode) -> None:
        self._say(f"round {number + 1}: {mode.name}, {counted(concurrency, 'caller')}")

    def judging(self, model: str) -> None:
        self._say(f"quality: {model}", is_urgent=True)

    def _say(self, text: str, is_urgent: bool = False) -> None:
        now = time.monotonic()
        if is_urgent or now - self._drawn_at >= _LEAST_SECONDS:
            self._drawn_at = now
            self._progress.update(self._task, description=text)
            self._progress.refresh()
