"""`tandem generate --label`: images from a sequential image model, one token after another."""

from pathlib import Path

import typer

from tandem.cli.terminal import Terminal
from tandem.cli.use.growing_image import GrowingImage
from tandem.cli.use.image_file import save_image
from tandem.cli.use.stopwatch import Stopwatch, generation_summary
from tandem.cli.use.terminal_images import show_image
from tandem.cli.use.token_view import token_line
from tandem.client import GenerateChunk, GenerateOptions, TandemClient


def draw(
    terminal: Terminal, address: str, options: GenerateOptions, out: Path, *, is_partial: bool, is_verbose: bool
) -> None:
    """Write a grid of the images that the options ask for, and show it."""
    with TandemClient(address) as client:
        options |= {"image_encoding": "uint8", "partial_images": is_partial}
        stopwatch, last = Stopwatch(), None
        with GrowingImage(terminal.out) as images, client.generate(**options) as generation:
            for last in generation:
                stopwatch.tokens(len(last.token_ids))
                _show(terminal, images, last)
        if last is None:
            return
        grid = images.all().to_grid()
        save_image(grid, out)
        show_image(terminal.out, grid)
        typer.echo(out)
        terminal.note(generation_summary(last, stopwatch, is_full=is_verbose))


def _show(terminal: Terminal, images: GrowingImage, chunk: GenerateChunk) -> None:
    for token in chunk.logprobs:
        terminal.out.print(token_line(token), soft_wrap=not terminal.is_interactive)
    if chunk.image is not None:
        images.show(chunk.choice_index, chunk.image)
