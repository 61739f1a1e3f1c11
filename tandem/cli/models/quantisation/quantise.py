"""`tandem models quantise`: a generator's enlarging convolutions in int8 as well, if its images bear it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.failures import FAILED
from tandem.cli.options import JUDGE_DIR, MODELS_DIR, ModelsDir
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.shared.errors import ExpectedError
from tandem.shared.models import ModelRepository

_MEASURE = "What to measure against"


def quantise(
    terminal: Terminal,
    name: Annotated[str, typer.Argument(help="A parallel model of the repository.")],
    max_loss: Annotated[
        float, typer.Option(min=0, help="Refuse if FID grows by more than this share of float32's.")
    ] = 0.02,
    num_samples: Annotated[
        int, typer.Option(min=1, help="Images for each seed, the same number of each class.")
    ] = 10_000,
    num_seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds to measure with.")] = 3,
    judge: Annotated[Path, typer.Option(help="The judge's model folder.", rich_help_panel=_MEASURE)] = JUDGE_DIR,
    reference: Annotated[
        Path | None, typer.Option(help="Other images than Fashion-MNIST, as for evaluate.", rich_help_panel=_MEASURE)
    ] = None,
    models_dir: ModelsDir = MODELS_DIR,
) -> None:
    """Add a faster form in int8 to a generator, and measure what is lost; it is added only if that is little enough.

    Both forms draw the same images, and their FID against the reference's test images is compared. The loss stands in
    the model's model.toml. The servers take the form where it is faster; `--precision float32` or `bfloat16` does not.
    """
    need_packages("quality", "matplotlib", "onnx")
    from tandem.cli.models.quantisation.int8_form import FILE, TABLE, add_int8_form
    from tandem.cli.models.quantisation.quantisation import FidMeter, loss, quantise

    model = ModelRepository(models_dir).get(name)
    if model.has_fitting_int8():
        raise ExpectedError(f"{name}: is in int8 already; to create it again, remove [{TABLE}] from its model.toml")
    meter = FidMeter(judge, reference)
    with tempfile.TemporaryDirectory() as scratch:
        generator = Path(scratch, FILE)
        quantise(model, generator)
        terminal.note(f"drawing {2 * num_seeds} x {num_samples:,} images")
        found = loss(model, generator, meter=meter, seeds=range(1, num_seeds + 1), num_images=num_samples)
        lost, kept = (", ".join(f"{fid:.3f}" for fid in fids) for fids in (found.quantised, found.original))
        typer.echo(f"{name} in int8: FID {found.ratio:.3f} times that of float32 ({lost} against {kept})")
        if not found.ratio <= 1 + max_loss:
            terminal.note(f"not added: more than {1 + max_loss:g} times; --max-loss would accept it")
            raise typer.Exit(FAILED)
        add_int8_form(model, generator, found, num_samples)
    typer.echo(model.folder / FILE)
