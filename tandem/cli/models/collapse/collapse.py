"""`tandem collapse`: GANs that have lost their variety, served beside the healthy one, and which instruments notice."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image, ImageDraw

from tandem.cli.failures import INTERRUPTED, friendly_errors
from tandem.cli.models.collapse.models import HEALTHY, VARIANTS, write_models
from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.servers.plan import Plan, Ports
from tandem.cli.servers.ports import HOST
from tandem.cli.servers.stack import run_plan
from tandem.cli.terminal import Terminal
from tandem.cli.use.terminal_images import show_image
from tandem.client import AsyncTandemClient
from tandem.client.images import Images, grid
from tandem.measure.formats import count
from tandem.measure.meters.metrics_page import Page, read
from tandem.measure.report.tables import Cell, Row, Table, terminal_table
from tandem.shared.models import ModelRepository

if TYPE_CHECKING:  # brings onnxruntime, which the other commands need not wait for
    from tandem.measure.quality.judge import Judge

MODEL, JUDGE_MODEL = "fashion-gan", "fashion-judge"
SHOWN_CLASS = 2
DRAIN_SECONDS = 2.0
POLL_SECONDS = 0.2
WATCH = {"--diversity-every": "4", "--diversity-max-per-second": "1e6"}
"""Each of the images drawn here is to be seen."""

_PADDING, _CAPTION_HEIGHT = 2, 14
NOTES = (
    "fid: the usual figure for the quality of a GAN, here the distance of the images from as many others of the"
    " healthy generator (lower is better); right class: share that a classifier takes for what was asked for. Both are"
    " computed offline, from thousands of images.",
    "variance, nearest: what the service says of itself while it serves, next to the released model (1 is as released):"
    " how much the images of a class vary, and how far apart the two closest are.",
    "A generator that knows 200 latents looks well to the eye and to both offline figures, and yet draws each image"
    " over and over: the nearest pair shows it. One whose latents are shrunk draws averages: variance shows it.",
)

Pixels = npt.NDArray[np.uint8]
Features = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """What was seen of one generator."""

    name: str
    fid: float
    accuracy: float
    variance_ratio: float
    nearest_ratio: float
    variance_alarms: float
    duplicate_alarms: float
    images: Pixels
    """Some images of one class [N, H, W, C]."""


def collapse(
    images: Annotated[int, typer.Option(min=1000, max=100_000, help="Images to draw from each generator.")] = 4000,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File for the images.")] = Path("out/collapse.png"),
    models_dir: ModelsDir = MODELS_DIR,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the process's log.")] = False,
) -> None:
    """Serve a healthy GAN and three collapsed ones; see what FID says and what the diversity watch says."""
    terminal = Terminal()
    with friendly_errors(terminal), tempfile.TemporaryDirectory() as folder:
        repository = ModelRepository(models_dir)
        write_models(repository.get(MODEL), Path(folder))
        [judge_file] = repository.get(JUDGE_MODEL).spec.files
        ports, models = Ports.free(), list(VARIANTS)
        plan = Plan(ports, Path(folder), [], models, DRAIN_SECONDS, has_gateway=False, parallel_flags=WATCH)
        lesson = Lesson(images, repository.get(JUDGE_MODEL).path(judge_file), out, terminal, ports)
        raise typer.Exit(run_plan(plan, terminal, verbose, lesson.run, restarts=False, code_of_stop=INTERRUPTED))


class Lesson:
    """Draws from each generator in turn and reads the instruments."""

    def __init__(self, num_images: int, judge_file: Path, out: Path, terminal: Terminal, ports: Ports) -> None:
        self._num_images = num_images
        self._judge_file = judge_file
        self._out = out
        self._terminal = terminal
        self._ports = ports

    async def run(self) -> int:
        from tandem.measure.quality.judge import Judge

        total = self._num_images * (len(VARIANTS) + 1)
        with self._terminal.progress() as progress:
            task = progress.add_task("drawing", total=total)
            drawn = await self._draw_all(lambda count: progress.advance(task, count))
        page = await self._settled_metrics()
        judge = Judge(self._judge_file)

        def look() -> list[Case]:
            _, reference = judge.classify(_pixels(drawn.pop(""))[..., 0])
            return [_case(name, parts, reference=reference, page=page, judge=judge) for name, parts in drawn.items()]

        self._show(await asyncio.to_thread(look))
        return 0

    async def _draw_all(self, advance: Callable[[int], None]) -> dict[str, list[Images]]:
        """Return what each generator drew; under "" what the healthy one drew from another seed, as the reference."""
        drawn: dict[str, list[Images]] = {}
        async with AsyncTandemClient(f"{HOST}:{self._ports.gan_port}") as client:
            for seed, (key, model) in enumerate([("", HEALTHY), *((name, name) for name in VARIANTS)]):
                drawn[key] = []
                async for part in client.sample_stream(self._num_images, model=model, seed=seed, encoding="uint8"):
                    drawn[key].append(part)
                    advance(len(part))
        return drawn

    async def _settled_metrics(self) -> Page:
        """Return the metrics once the watch has looked at all that it took."""
        before: list[float] = []
        while True:
            page = await asyncio.to_thread(read, f"{HOST}:{self._ports.gan_metrics_port}")
            seen = page.values("tandem_diversity_images_total")
            if seen == before:
                return page
            before = seen
            await asyncio.sleep(POLL_SECONDS)

    def _show(self, cases: list[Case]) -> None:
        self._out.parent.mkdir(parents=True, exist_ok=True)
        gallery(cases, num_columns=20, num_rows=2).save(self._out, format="PNG")
        show_image(self._terminal.out, gallery(cases, num_columns=6, num_rows=1))
        self._terminal.out.print(terminal_table(collapse_table(cases)))
        for note in NOTES:
            self._terminal.note(note)
        typer.echo(self._out)


def _case(name: str, parts: list[Images], *, reference: Features, page: Page, judge: Judge) -> Case:
    from tandem.measure.quality.distances import frechet_distance

    pixels = _pixels(parts)
    labels = np.concatenate([part.labels for part in parts])
    guesses, features = judge.classify(pixels[..., 0])
    prefix = "tandem_diversity"
    return Case(
        name=name,
        fid=frechet_distance(features, reference),
        accuracy=float((guesses == labels).mean()),
        variance_ratio=min(page.values(f"{prefix}_variance_ratio", model=name, **{"class": "all"})),
        nearest_ratio=min(page.values(f"{prefix}_nearest_ratio", model=name)),
        variance_alarms=sum(page.values(f"{prefix}_alarms_total", model=name, kind="variance")),
        duplicate_alarms=sum(page.values(f"{prefix}_alarms_total", model=name, kind="duplicates")),
        images=pixels[labels == SHOWN_CLASS],
    )


def _pixels(parts: list[Images]) -> Pixels:
    return np.concatenate([part.pixels for part in parts])


def collapse_table(cases: Sequence[Case]) -> Table:
    """Return one column a generator, one row an instrument."""
    rows = [
        Row(("fid, offline", *(f"{case.fid:.2f}" for case in cases))),
        Row(("right class, offline", *(f"{case.accuracy:.0%}" for case in cases))),
        Row(("variance, live", *(f"{case.variance_ratio:.2f}" for case in cases))),
        Row(("nearest, live", *(f"{case.nearest_ratio:.2f}" for case in cases))),
        Row(("alarms, grown alike", *(_alarms(case.variance_alarms) for case in cases))),
        Row(("alarms, repeated", *(_alarms(case.duplicate_alarms) for case in cases))),
    ]
    return Table(("", *(case.name for case in cases)), rows, "collapse")


def _alarms(number: float) -> Cell:
    return Cell(count(number), is_bad=number > 0)


def gallery(cases: Sequence[Case], num_columns: int, num_rows: int) -> Image.Image:
    """Return an image of rows of images under the name of each generator."""
    grids = [grid(case.images[: num_columns * num_rows], num_columns, _PADDING) for case in cases]
    height, width = grids[0].shape[:2]
    canvas = Image.new("L" if grids[0].shape[2] == 1 else "RGB", (width, len(cases) * (height + _CAPTION_HEIGHT)))
    for row, (case, pixels) in enumerate(zip(cases, grids, strict=True)):
        top = row * (height + _CAPTION_HEIGHT)
        ImageDraw.Draw(canvas).text((_PADDING, top), case.name, fill="white")
        canvas.paste(Image.fromarray(pixels.squeeze()), (0, top + _CAPTION_HEIGHT))
    return canvas
