"""A race as it runs, on a terminal: the newest image of both models, and what each mode took so far.

Elsewhere nothing is shown. Draws only between two loads, never while something is measured.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from typing import Self

from PIL import Image
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tandem.cli.terminal import Terminal
from tandem.cli.use.terminal_images import image_lines
from tandem.measure import formats
from tandem.measure.generator.requests.replies import Pixels
from tandem.measure.studies.comparison.modes import AGAIN
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.rounds import Round

_LEAST_SECONDS = 0.1  # between two drawings
_IMAGES = (("sequential unary", "in sequence"), ("parallel unary", "in parallel"))


class RaceDisplay(Observer):
    """Redrawn in place, gone at the end."""

    def __init__(self, terminal: Terminal, num_rounds: int) -> None:
        self._console = terminal.out
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._num_rounds = num_rounds
        self._num_done = 0
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def round_done(self, done: Round) -> None:
        self._num_done += 1
        if not self._console.is_terminal or not done.is_complete:
            return
        for name, reply in done.replies.items():
            if AGAIN not in name:
                self._seconds[name].append(reply.latency_seconds)
        if time.monotonic() - self._drawn_at >= _LEAST_SECONDS:
            self._drawn_at = time.monotonic()
            self._live.update(self.drawn(done), refresh=True)

    def drawn(self, done: Round) -> RenderableType:
        """Return what is to be seen after a round."""
        images = Table.grid(padding=(0, 3))
        images.add_row(*(Text(f"{title}, {_took(done, name)}") for name, title in _IMAGES))
        images.add_row(*(Group(*self._lines(done.replies[name].image)) for name, _ in _IMAGES))
        medians = "   ".join(
            f"{name} {formats.seconds(statistics.median(values))}" for name, values in sorted(self._seconds.items())
        )
        return Group(images, Text(f"round {self._num_done} of {self._num_rounds}; medians: {medians}"))

    def _lines(self, image: Pixels | None) -> list[Text]:
        if image is None:
            return []
        return image_lines(self._console, Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image))


def _took(done: Round, name: str) -> str:
    return formats.seconds(done.replies[name].latency_seconds)
