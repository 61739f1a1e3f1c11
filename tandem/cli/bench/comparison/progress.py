"""How far a comparison is, on a terminal; elsewhere nothing is shown. Draws only between two measurements."""

from __future__ import annotations

import time
from typing import Self

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from tandem.cli.terminal import Terminal
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.rounds import Round

_LEAST_SECONDS = 0.2  # between two drawings


class ProgressBar(Observer):
    """A line that says what is going on."""

    def __init__(self, terminal: Terminal) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
        self._progress = terminal.progress(*columns, auto_refresh=False)
        self._task = self._progress.add_task("connecting", total=None)
        self._num_rounds = 0
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def round_done(self, done: Round) -> None:
        self._num_rounds += 1
        self._say(f"alone, round {self._num_rounds}: an image of class {done.label} in each mode")

    def trial_begins(self, number: int, concurrency: int, mode: Mode) -> None:
        self._say(f"under load, round {number + 1}: {mode.name}, {concurrency} at a time")

    def judging(self, model: str) -> None:
        self._say(f"quality: {model}", is_urgent=True)

    def _say(self, text: str, is_urgent: bool = False) -> None:
        now = time.monotonic()
        if is_urgent or now - self._drawn_at >= _LEAST_SECONDS:
            self._drawn_at = now
            self._progress.update(self._task, description=text)
            self._progress.refresh()
