"""`tandem models evaluate`: how good a model's images are, drawn through the gateway and measured here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tandem.cli.options import ADDRESS, JUDGE_DIR, MODELS_DIR, Address, ModelsDir
from tandem.cli.packages import need_packages
from tandem.cli.terminal import Terminal
from tandem.measure.report.prose import sentence, tables
from tandem.measure.report.tables import markdown_table
from tandem.measure.results.quality import Nearness
from tandem.shared.models import ModelRepository

if TYPE_CHECKING:  # brings onnxruntime and scikit-learn, which the other commands need not wait for
    from tandem.measure.quality.drawing import Sampling
    from tandem.measure.quality.protocol import Protocol

OUT = Path("out", "evaluation")
FEW_SAMPLES = 2000
"""Recall and coverage grow with the number of images, and an FID of few is unsure."""
_option = partial(typer.Option, rich_help_panel="How to draw")
_against = partial(typer.Option, rich_help_panel="What to measure against")


@dataclass(frozen=True)
class DrawingOptions:
    """How many images are drawn, and how."""

    num_samples: Annotated[int, _option(min=1, help="Images to draw, the same number of each class.")] = 10_000
    seed: Annotated[int, _option(min=0, max=2**31, help="Same seed, same images.")] = 1
    temperature: Annotated[float | None, _option(min=0, max=10, help="For a sequential model.")] = None
    top_p: Annotated[float | None, _option(min=0, max=1, help="For a sequential model.")] = None
    steps: Annotated[int | None, _option(min=1, help="For a sequential model that takes steps.")] = None
    truncation: Annotated[float | None, _option(min=0.1, max=10, help="For a parallel model.")] = None

    @property
    def sampling(self) -> Sampling:
        from tandem.measure.quality.drawing import Sampling

        return Sampling(self.seed, self.temperature, self.top_p, self.truncation, self.steps)


def evaluate(
    terminal: Terminal,
    name: Annotated[str, typer.Argument(help="An image model behind the gateway, of either paradigm.")],
    drawing: DrawingOptions,
    judge: Annotated[Path, _against(help="The judge's model folder.")] = JUDGE_DIR,
    reference: Annotated[
        Path | None,
        _against(
            help="Other images than Fashion-MNIST: an .npz file with images and labels, or train_images, train_labels,"
            " test_images, test_labels; uint8 [N, H, W] or [N, H, W, 3]."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help=r"Where the results go.  \[default: out/evaluation/NAME]")
    ] = None,
    models_dir: ModelsDir = MODELS_DIR,
    address: Address = ADDRESS,
) -> None:
    """Measure how good a model's images are: evaluation.json, evaluation.png and a table.

    Class-balanced 8-bit images are drawn through the gateway and compared with the data set's test images in the
    features of a frozen judge; real training images go through the same, as the floor. The defaults are this project's
    fixed protocol.
    """
    need_packages("quality", "matplotlib", "prdc")
    from tandem.measure.quality.protocol import Protocol

    repository = ModelRepository(models_dir)
    model = repository.get(name) if name in repository.names() else None  # else only the gateway's machine has it
    folder = out or OUT / name
    protocol = Protocol(name, drawing.num_samples, drawing.sampling, judge, reference, model)
    found = _run(protocol, address, folder, terminal)
    if drawing.num_samples < FEW_SAMPLES:
        terminal.note(
            f"of fewer than {FEW_SAMPLES:,} images recall and coverage are too low; compare at equal numbers only"
        )
    terminal.out.print(evaluation_text(found), markup=False, soft_wrap=True)
    typer.echo(f"{folder / 'evaluation.json'}\n{folder / 'evaluation.png'}")


def _run(protocol: Protocol, address: str, folder: Path, terminal: Terminal) -> dict[str, Any]:
    """Carry the evaluation out behind a progress bar."""
    from tandem.measure.quality.protocol import run

    with terminal.progress() as progress:
        bar = progress.add_task("drawing", total=protocol.num_samples)

        def advance(num_images: int) -> None:
            progress.advance(bar, num_images)
            if progress.finished:
                progress.update(bar, description="measuring", total=None)

        return run(protocol, address, folder, advance)


def evaluation_text(found: dict[str, Any]) -> str:
    """Return the record `found` (evaluation.json) as tables in Markdown, ready for a model card."""
    shown = tables("evaluation.tables", found, Nearness.model_validate(found["views"]))
    written = [markdown_table(table, is_padded=True) for table in shown]
    return "\n\n".join([*written, sentence("evaluation.small_print", found)])
