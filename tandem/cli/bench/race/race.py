"""`tandem race`: the same image from both models, side by side and live; a short comparison without load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.bench.comparison.comparing import CONTROL_HELP, MAX_SEED, PRESETS, SEED_HELP, compared, settings_of
from tandem.cli.bench.options import ModelOptions
from tandem.cli.bench.race.display import RaceDisplay
from tandem.cli.bench.showing import show_race, tell_problems
from tandem.cli.grouped import grouped
from tandem.cli.options import ADDRESS, Address
from tandem.cli.terminal import Terminal
from tandem.measure.studies.comparison.request import Request

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
