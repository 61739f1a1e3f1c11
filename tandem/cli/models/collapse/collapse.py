"""`tandem collapse`: GANs that have lost their variety, served beside the healthy one, and which instruments notice."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image, ImageDraw

from tandem.cli.failures import INTERRUPTED
from tandem.cli.models.collapse.models import HEALTHY, VARIANTS, write_models
from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.servers.plan import Plan, Ports
from tandem.cli.servers.ports import HOST
from tandem.cli.servers.stack import run_plan
from tandem.cli.terminal import Terminal
from tandem.cli.use.terminal_images import show_image
from tandem.client import AsyncTandemClient
from tandem.client.images import Images, grid, join_parts
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


Figures = dict[str, str | Cell]
"""What the instruments said of one generator, by their names."""


def collapse(
    terminal: Terminal,
    images: Annotated[int, typer.Option(min=1000, max=100_000, help="Images to draw from each generator.")] = 4000,
    out: Annotated[Path, typer.Option(dir_okay=False, help="File for the images.")] = Path("out/collapse.png"),
    models_dir: ModelsDir = MODELS_DIR,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the process's log.")] = False,
) -> None:
    """Serve a healthy GAN and three collapsed ones; see what FID says and what the diversity watch says."""
    with tempfile.TemporaryDirectory() as folder:
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

        def look() -> dict[str, Figures]:
            _, reference = judge.classify(drawn.pop("").to_uint8()[..., 0])
            return {name: _figures(name, images, reference, page, judge) for name, images in drawn.items()}

        self._show(await asyncio.to_thread(look), drawn)
        return 0

    async def _draw_all(self, advance: Callable[[int], None]) -> dict[str, Images]:
        """Return what each generator drew; under "" what the healthy one drew from another seed, as the reference."""
        drawn: dict[str, Images] = {}
        async with AsyncTandemClient(f"{HOST}:{self._ports.gan_port}") as client:
            for seed, (key, model) in enumerate([("", HEALTHY), *((name, name) for name in VARIANTS)]):
                parts = []
                async for part in client.sample_stream(self._num_images, model=model, seed=seed, encoding="uint8"):
                    parts.append(part)
                    advance(len(part))
                drawn[key] = join_parts(parts)
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

    def _show(self, figures: dict[str, Figures], drawn: dict[str, Images]) -> None:
        images = {name: one.to_uint8()[np.equal(one.labels, SHOWN_CLASS)] for name, one in drawn.items()}
        self._out.parent.mkdir(parents=True, exist_ok=True)
        gallery(images, num_columns=20, num_rows=2).save(self._out, format="PNG")
        show_image(self._terminal.out, gallery(images, num_columns=6, num_rows=1))
        instruments = next(iter(figures.values()))
        rows = [Row((name, *(of_one[name] for of_one in figures.values()))) for name in instruments]
        self._terminal.out.print(terminal_table(Table(("", *figures), rows, "collapse")))
        for note in NOTES:
            self._terminal.note(note)
        typer.echo(self._out)


def _figures(name: str, images: Images, reference: Features, page: Page, judge: Judge) -> Figures:
    from tandem.measure.quality.distances import frechet_distance

    guesses, features = judge.classify(images.to_uint8()[..., 0])
    variance = min(page.values("tandem_diversity_variance_ratio", model=name, **{"class": "all"}))
    return {
        "fid, offline": f"{frechet_distance(features, reference):.2f}",
        "right class, offline": f"{np.equal(guesses, images.labels).mean():.0%}",
        "variance, live": f"{variance:.2f}",
        "nearest, live": f"{min(page.values('tandem_diversity_nearest_ratio', model=name)):.2f}",
        "alarms, grown alike": _alarms(page, name, "variance"),
        "alarms, repeated": _alarms(page, name, "duplicates"),
    }


def _alarms(page: Page, name: str, kind: str) -> Cell:
    number = sum(page.values("tandem_diversity_alarms_total", model=name, kind=kind))
    return Cell(count(number), is_bad=number > 0)


def gallery(images: dict[str, Pixels], num_columns: int, num_rows: int) -> Image.Image:
    """Return an image of rows of images under the name of each generator."""
    grids = {name: grid(some[: num_columns * num_rows], num_columns, _PADDING) for name, some in images.items()}
    height, width, channels = next(iter(grids.values())).shape
    canvas = Image.new("L" if channels == 1 else "RGB", (width, len(grids) * (height + _CAPTION_HEIGHT)))
    for row, (name, pixels) in enumerate(grids.items()):
        top = row * (height + _CAPTION_HEIGHT)
        ImageDraw.Draw(canvas).text((_PADDING, top), name, fill="white")
        canvas.paste(Image.fromarray(pixels.squeeze()), (0, top + _CAPTION_HEIGHT))
    return canvas
