"""`tandem race`: the same image from both models, side by side and live; a short comparison without load."""

import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Self

import typer
from PIL import Image
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tandem.cli.bench.comparison.comparing import CONTROL_HELP, MAX_SEED, PRESETS, SEED_HELP, compared, settings_of
from tandem.cli.bench.options import ModelOptions
from tandem.cli.bench.showing import show_race, tell_problems
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.cli.use.terminal_images import image_lines
from tandem.measure import formats
from tandem.measure.generator.requests.replies import Pixels
from tandem.measure.studies.comparison.modes import AGAIN
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request
from tandem.measure.studies.comparison.rounds import Round

_LEAST_SECONDS = 0.1  # between two drawings
_IMAGES = (("sequential unary", "in sequence"), ("parallel unary", "in parallel"))
ROUNDS = PRESETS["race"].num_pairs


@grouped
def race(
    models: ModelOptions,
    rounds: Annotated[int, typer.Option(min=1, help="How often each of the four modes is asked.")] = ROUNDS,
    control: Annotated[bool, typer.Option("--control/--no-control", help=CONTROL_HELP)] = True,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help=SEED_HELP)] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here.")] = None,
    address: Address = ADDRESS,
) -> None:
    """Ask both paradigms for the same image, again and again, and time them: the same workload, one request at a
    time.

    Each round asks in four modes, in random order, for an image of one class: in sequence and in parallel, streamed
    and in one reply. `tandem bench compare` goes on from here: under load, with costs and quality.
    """
    terminal = Terminal()
    settings = settings_of("race", num_pairs=rounds, seed=seed, control=control)
    request = Request(address, *models.names, settings)
    document, code = compared(terminal, RaceDisplay(terminal, rounds), request, json_file)
    show_race(document, terminal)
    tell_problems(document, terminal)
    raise typer.Exit(code)


class RaceDisplay(Observer):
    """The newest image of both models, and what each mode took so far: on a terminal redrawn in place, gone at the end;
    elsewhere nothing is shown. Draws only between two loads, never while something is measured.
    """

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
