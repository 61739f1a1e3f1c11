"""`tandem demo`: the whole of Tandem once, as `make demo` runs it. Each stage is a command that anyone can type."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.failures import FAILED, INTERRUPTED
from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.servers.gateway import envoy_version
from tandem.cli.servers.plan import PARALLEL_MODELS, SEQUENTIAL_MODELS, Plan, Ports, replica_ports
from tandem.cli.servers.stack import run_plan
from tandem.cli.terminal import Terminal
from tandem.measure import formats
from tandem.measure.meters.metrics_page import fetch
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import read_as

DRAIN_SECONDS = 5.0
NUM_METRIC_LINES = 8
_INTERRUPTED_CODES = (INTERRUPTED, -signal.SIGINT)
STEPS = "1,4,8,24"  # and all
PAIRED, IMAGE_MODELS = ("fashion-ar",), ("fashion-ar", "fashion-sar")
RACE_STAGE, REPORT_STAGE, REPORT_FOLDER = "race", "report", "tradeoff"
METRIC_NAMES = ("gen_ai_server_request_duration_seconds_count", "gen_ai_server_time_to_first_token", "tandem_outputs")


def demo(
    terminal: Terminal,
    out: Annotated[Path, typer.Option(file_okay=False, help="Where the images and the figures go.")] = Path("out"),
    models_dir: ModelsDir = MODELS_DIR,
    report: Annotated[bool, typer.Option(help="End with a measurement of 6 minutes, and its report.")] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the processes' logs.")] = False,
) -> None:
    """Start everything, stream a text, draw images of both kinds, race the two, measure and report, stop."""
    envoy_version()  # all that is shown goes through the gateway
    plan = Plan(Ports.default_or_free(), models_dir, SEQUENTIAL_MODELS, PARALLEL_MODELS, DRAIN_SECONDS)
    tour = Tour(out, terminal)
    # A measurement that lost a process in the middle is none.
    run = partial(run_plan, terminal=terminal, verbose=verbose, restarts=False, code_of_stop=INTERRUPTED)
    code = run(plan, work=partial(tour.run, plan))
    if report and code == 0:
        measured = replace(image_plan(models_dir, IMAGE_MODELS), beside=image_plan(models_dir, PAIRED, "float32"))
        terminal.note("\nnow the image models alone, with all cores for each, and the pair in float32 beside them")
        code = run(measured, work=partial(tour.measure, measured))
    tour.ended(is_complete=code == 0)
    raise typer.Exit(code)


def image_plan(models_dir: Path, sequential_models: Sequence[str], precision: str = "") -> Plan:
    """Return servers of image models alone, on free ports."""
    more = replica_ports(models_dir, sequential_models)
    pair = (sequential_models, PARALLEL_MODELS)
    return Plan(Ports.free(), models_dir, *pair, DRAIN_SECONDS, precision=precision, more_ports=more)


class Tour:
    """The stages, and how long each took."""

    def __init__(self, out: Path, terminal: Terminal) -> None:
        self._out = out
        self._terminal = terminal
        self._race, self._report = out / "race.json", out / REPORT_FOLDER / "report.html"
        self._seconds: dict[str, float] = {}
        self._since = time.monotonic()

    async def run(self, plan: Plan) -> int:
        """Show everything; 0, or 1 as soon as a stage fails, 130 if Ctrl-C reached it rather than us."""
        self._race.unlink(missing_ok=True)  # an earlier tour's says nothing of this one
        return await self._run(plan, self._stages())

    async def measure(self, plan: Plan) -> int:
        """Measure the image models of a plan, with what is beside it; returns as `run` does."""
        self._took("stop and start")
        beside = [] if plan.beside is None else ["--beside", plan.beside.address]
        # Not all that could be measured: a tour is to take few minutes.
        command = ["bench", "tradeoff", "--no-colocation", "--steps", STEPS, *beside, "--out", str(self._report.parent)]
        return await self._run(plan, {REPORT_STAGE: command})

    async def _run(self, plan: Plan, stages: Mapping[str, Sequence[str]]) -> int:
        if not self._seconds:
            self._took("start")
        for name, arguments in stages.items():
            code = await self._command([*arguments, "--address", plan.address])
            self._took(name)
            if code in _INTERRUPTED_CODES:
                return INTERRUPTED
            if code != 0 and not self._is_only_flawed(name):
                self._terminal.fail(f"the stage {name!r} failed with exit code {code}")
                return FAILED
            if name == RACE_STAGE:
                await asyncio.to_thread(self._show_metrics, plan)
                self._took("metrics")
        return 0

    def ended(self, *, is_complete: bool) -> None:
        """Print what each stage took; the last one was stopping, with whatever it cut short."""
        self._took("stop" if is_complete else "cut short and stop")
        total = sum(self._seconds.values())
        stages = ", ".join(f"{name} {formats.seconds(seconds)}" for name, seconds in self._seconds.items())
        self._terminal.out.print(f"\n{formats.seconds(total)} in all: {stages}", markup=False, soft_wrap=True)
        if is_complete and self._report.is_file():
            next_step = "`make up` serves the same models, with a page at http://127.0.0.1:8080/"
            self._terminal.out.print(f"open {self._report}; {next_step}", markup=False, soft_wrap=True)

    def _stages(self) -> dict[str, list[str]]:
        image, grid = (str(self._out / name) for name in ("image.png", "sample.png"))
        return {
            "text": ["generate", "Explain in two sentences why the sky is blue.", "--max-tokens", "64", "--seed", "1"],
            "image": ["generate", "--label", "sneaker", "--n", "4", "--partial", "--seed", "1", "--out", image],
            "images": ["sample", "--count", "16", "--seed", "1", "--out", grid],
            RACE_STAGE: ["race", "--json", str(self._race)],
        }

    def _is_only_flawed(self, name: str) -> bool:
        """Return whether a stage that ended with 1 has measured to its end: what is wrong then stands in its result."""
        if name == RACE_STAGE and self._race.is_file():
            return not read_as(self._race, Comparison).is_partial
        return name == REPORT_STAGE and self._report.is_file()

    async def _command(self, arguments: Sequence[str]) -> int:
        self._terminal.out.print(f"\n$ tandem {shlex.join(arguments)}", style="bold", markup=False, soft_wrap=True)
        # What was printed so far must come before what the command prints.
        sys.stdout.flush()
        # In a session of its own, Ctrl-C in the terminal is for us to pass on.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tandem.cli", *arguments, start_new_session=True
        )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            self._terminal.err.show_cursor(True)
            raise

    def _show_metrics(self, plan: Plan) -> None:
        url = f"{plan.web_address}/metrics"
        self._terminal.out.print(f"\nmetrics are at {url}, for example", style="bold", markup=False, soft_wrap=True)
        lines = fetch(url.removeprefix("http://"), {}).splitlines()
        # Some telling ones: counts and sums, no buckets.
        telling = (line for line in lines if line.startswith(METRIC_NAMES))
        shown = [line for line in telling if "_bucket" not in line and "_created" not in line][:NUM_METRIC_LINES]
        for line in shown:
            self._terminal.out.print(f"  {line}", markup=False, soft_wrap=True)

    def _took(self, name: str) -> None:
        now = time.monotonic()
        self._seconds[name] = now - self._since
        self._since = now
