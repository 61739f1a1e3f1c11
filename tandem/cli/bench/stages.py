"""Where a measurement of many runs is, on a terminal: what runs now, for how long, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tandem.cli.terminal import Terminal
from tandem.measure.generator.generator import stopped_by_hand
from tandem.measure.generator.workers import Progress as Counts


class Stage:
    """`stop` is set by Ctrl-C; measurements look at it."""

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
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[counts]}"),
        TimeElapsedColumn(),
    )
    with terminal.progress(*columns) as progress, stopped_by_hand() as stop:
        yield Stage(progress, stop, terminal)
