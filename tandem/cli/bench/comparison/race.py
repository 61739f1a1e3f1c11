"""`tandem race`: the same image from both models, side by side and live; a short comparison without load."""

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
from tandem.measure.generator.requests.replies import Pixels
from tandem.measure.scenario import Paradigm
from tandem.measure.studies.comparison.modes import Mode
from tandem.measure.studies.comparison.observer import Observer
from tandem.measure.studies.comparison.request import Request

_TITLES: dict[Paradigm, str] = {"sequential": "in sequence", "parallel": "in parallel"}
ROUNDS = PRESETS["race"].num_rounds


@grouped
def race(
    models: ModelOptions,
    rounds: Annotated[int, typer.Option(min=1, help="How often each of the four modes has its turn.")] = ROUNDS,
    control: Annotated[bool, typer.Option("--control/--no-control", help=CONTROL_HELP)] = True,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help=SEED_HELP)] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here.")] = None,
    address: Address = ADDRESS,
) -> None:
    """Ask both paradigms for the same images, again and again, and time them: the same workload, by one caller.

    In each round four modes take turns in random order, for a quarter of a second each: in sequence and in parallel,
    streamed and in one reply. `tandem bench compare` goes on from here: under load, with quality.
    """
    terminal = Terminal()
    settings = settings_of("race", num_rounds=rounds, seed=seed, control=control)
    request = Request(address, *models.names, settings)
    document, code = compared(terminal, RaceDisplay(terminal), request, json_file)
    show_race(document, terminal)
    tell_problems(document, terminal)
    raise typer.Exit(code)


class RaceDisplay(Observer):
    """The newest image of both models: on a terminal redrawn in place, gone at the end; elsewhere nothing is shown.
    Draws only between two loads, never while something is measured.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._console = terminal.out
        self._live = Live(console=self._console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._images: dict[Paradigm, Pixels] = {}

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def trial_done(self, mode: Mode, image: Pixels | None) -> None:
        if image is not None and self._console.is_terminal:
            self._images[mode.paradigm] = image
            self._live.update(self.drawn(), refresh=True)

    def drawn(self) -> RenderableType:
        """Return the images that there are so far, side by side."""
        images = Table.grid(padding=(0, 3))
        shown = [(_TITLES[paradigm], self._lines(self._images[paradigm])) for paradigm in sorted(self._images)]
        images.add_row(*(Text(title) for title, _ in shown))
        images.add_row(*(Group(*lines) for _, lines in shown))
        return images

    def _lines(self, image: Pixels) -> list[Text]:
        return image_lines(self._console, Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image))
