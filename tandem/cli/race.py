"""`tandem race`: the same picture from both models, side by side and live; a short comparison without load."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.comparing import PRESETS, compared
from tandem.cli.comparison_table import headlines
from tandem.cli.options import ADDRESS, Address
from tandem.cli.race_display import RaceDisplay
from tandem.cli.race_table import NOTE, race_table
from tandem.cli.terminal import Terminal


def race(
    rounds: Annotated[int, typer.Option(min=1, help="How often each of the four ways is asked.")] = PRESETS[
        "race"
    ].num_pairs,
    sequential_model: Annotated[str, typer.Option(help=r"A sequential image model. \[default: the only one]")] = "",
    parallel_model: Annotated[
        str, typer.Option(help=r"A parallel one of the same images. \[default: the only one]")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Of classes, seeds and the order.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write the figures here.")] = None,
    address: Address = ADDRESS,
) -> None:
    """Ask both paradigms for the same picture, again and again, and time them: the same work, one request at a time.

    Each round asks in four ways, in random order, for a picture of one class: in sequence and in parallel, streamed and
    in one reply. `tandem bench compare` goes on from here: under load, with costs and quality.
    """
    terminal = Terminal()
    found = compared(
        terminal,
        RaceDisplay(terminal, rounds),
        json_file,
        address=address,
        models=(sequential_model, parallel_model),
        preset="race",
        changes={"num_pairs": rounds, "seed": seed},
    )
    for line in headlines(found.content):
        terminal.out.print(line, markup=False, soft_wrap=True)
    terminal.out.print(race_table(found.content))
    terminal.note(NOTE)
    found.end()
