"""`tandem generate --label`: images from a sequential image model, one token after another."""

from dataclasses import dataclass
from pathlib import Path

import typer

from tandem.cli.terminal import Terminal
from tandem.cli.use.growing_image import GrowingImage
from tandem.cli.use.image_file import save_image
from tandem.cli.use.stopwatch import Stopwatch
from tandem.cli.use.summary import generation_summary
from tandem.cli.use.terminal_images import show_image
from tandem.cli.use.token_view import token_line
from tandem.client import GenerateChunk, GenerateOptions, TandemClient


@dataclass(frozen=True)
class Drawing:
    """What to draw and where it goes."""

    label: str
    out: Path
    partial: bool
    is_verbose: bool


def draw(terminal: Terminal, address: str, drawing: Drawing, options: GenerateOptions) -> None:
    """Write a PNG grid of the images that the options ask for, and show it."""
    with TandemClient(address) as client:
        options |= {"label": drawing.label, "image_encoding": "uint8", "partial_images": drawing.partial}
        stopwatch, last = Stopwatch(), None
        with GrowingImage(terminal.out) as images, client.generate(**options) as generation:
            for last in generation:
                stopwatch.tokens(len(last.token_ids))
                _show(terminal, images, last)
        if last is None:
            return
        grid = images.all().to_grid()
        save_image(grid, drawing.out)
        show_image(terminal.out, grid)
        typer.echo(drawing.out)
        terminal.note(generation_summary(last, stopwatch, is_full=drawing.is_verbose))


def _show(terminal: Terminal, images: GrowingImage, chunk: GenerateChunk) -> None:
    for token in chunk.logprobs:
        terminal.out.print(token_line(token), soft_wrap=not terminal.is_interactive)
    if chunk.image is not None:
        images.show(chunk.choice_index, chunk.image)
