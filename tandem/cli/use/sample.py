"""`tandem sample`: images, as a PNG file and as an image in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.failures import right_command_named
from tandem.cli.options import ADDRESS, Address, ModelName, Timeout
from tandem.cli.terminal import Terminal
from tandem.cli.use.image_file import check_image_file, save_image
from tandem.cli.use.stopwatch import Stopwatch, phase_texts
from tandem.cli.use.terminal_images import show_image
from tandem.client import Images, SampleOptions, TandemClient
from tandem.measure import formats


def sample(
    terminal: Terminal,
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 16,
    label: Annotated[
        list[str] | None, typer.Option(help="Class of the images, by name or number; repeat it to name one an image.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Same seed, same images.")] = None,
    truncation: Annotated[
        float | None, typer.Option(min=0.1, max=10, help="Cut latent values off here: safer, less varied images.")
    ] = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File for the grid: PNG, JPEG or WebP.")] = Path(
        "out/sample.png"
    ),
    columns: Annotated[int | None, typer.Option(min=1, help="Images a row of the grid.")] = None,
    model: ModelName = "",
    timeout: Timeout = None,
    address: Address = ADDRESS,
) -> None:
    """Draw images from the parallel model: a grid in a file, and a preview in the terminal."""
    check_image_file(out)
    named = right_command_named(address, model, is_sequential=False)
    with named, TandemClient(address) as client:
        options = SampleOptions(
            model=model,
            labels=label or None,
            seed=seed,
            truncation=truncation,
            encoding="uint8",
            timeout_seconds=timeout,
        )
        stopwatch = Stopwatch()
        images = client.sample(count, **options)
        seconds = stopwatch.total_seconds()
        grid = images.to_grid(columns)
        save_image(grid, out)
        show_image(terminal.out, grid)
        typer.echo(out)
        terminal.note(_summary(images, seconds))


def _summary(images: Images, seconds: float) -> str:
    parts = [f"{formats.quantity(len(images), 'image')} in {formats.seconds(seconds)}"]
    if images.timings is not None:
        parts += phase_texts(images.timings, "queue", "batch_wait", "compute", "encode")
    return " · ".join([*parts, f"seed {images.seed}"])
