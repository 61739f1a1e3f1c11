"""`tandem truth`: a server whose times are known, for any load tester; and what became of the tester's load there."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tandem.cli.bench.results import keep_document, show
from tandem.cli.command_line import CommandLine
from tandem.cli.failures import FAILED
from tandem.cli.terminal import Terminal
from tandem.measure.formats import number, optional, quantity, seconds
from tandem.measure.meters.cpu import cpu_seconds_below
from tandem.measure.report.tables import Cell, Row, Table
from tandem.measure.truth.findings import Difference, Truth, differences, truth_of
from tandem.measure.truth.law import SYNTAX, Laws
from tandem.measure.truth.reports import FIGURES, TESTERS, parse_reported, read_report
from tandem.measure.truth.server import TruthServer
from tandem.shared.errors import ExpectedError

app = CommandLine(
    help="Does a load tester tell the truth? A server whose times are known, for any tester.", no_args_is_help=True
)
QUANTILES = ("p50", "p90", "p99", "max")
ALLOWED = {"p50": 0.02, "p99": 0.05}
_LOOK_SECONDS, _CPU_SECONDS = 0.05, 0.5
_law = partial(typer.Option, rich_help_panel="Law")


@dataclass(frozen=True)
class LawOptions:
    """What the server does, and where it listens."""

    first: Annotated[str, _law(metavar="DELAY", help=f"To the first token. DELAY: {SYNTAX}.")] = Laws.first
    gap: Annotated[str, _law(metavar="DELAY", help="Between two tokens.")] = Laws.gap
    stall: Annotated[
        str, _law(metavar="AT:SECONDS", help="Send nothing for so long, from AT s after the first request on.")
    ] = "0:0"
    errors: Annotated[float, _law(min=0, max=1, help="Share of requests that fail, instead of a first token.")] = 0.0
    slots: Annotated[int, _law(min=0, help="Requests answered at a time; others wait. 0: all.")] = 0
    tokens: Annotated[int, _law(min=1, help="Of requests that ask for no number.")] = Laws.tokens
    host: str = "127.0.0.1"
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 0

    def server(self) -> TruthServer:
        """Raises what TruthServer does."""
        at, _, length = self.stall.partition(":")
        try:
            stall = (float(at), float(length))
        except ValueError:
            raise ExpectedError(f"stall: {self.stall!r} is not accepted: AT:SECONDS") from None
        laws = Laws(self.first, self.gap, stall, self.errors, self.slots, self.tokens)
        return TruthServer(laws, self.host, self.port)


_Skip = Annotated[int, typer.Option(min=0, help="Requests to leave out at the beginning, as a tester's warm-up.")]
_Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write what was the case here.")]


@app.command()
def serve(terminal: Terminal, *, law: LawOptions, skip: _Skip = 0, json_file: _Json = None) -> None:
    """Serve until Ctrl-C, then tell what happened, by the server's own clock.

    At one port: OpenAI's /v1/completions, /v1/chat/completions and /v1/models; over gRPC the Open Inference Protocol
    and Tandem's own Generate, Complete, Sample and SampleStream.
    """
    with law.server() as server:
        terminal.say(f"http://{server.address}/v1, gRPC at {server.address}; Ctrl-C ends it")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
        truth = truth_of(server.record(), skip)
    _tell(terminal, truth, [], json_file)


@app.command(context_settings={"allow_interspersed_args": False})
def check(
    terminal: Terminal,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The tester, and its options.")],
    *,
    law: LawOptions,
    skip: _Skip = 0,
    reported: Annotated[
        list[str] | None,
        typer.Option(metavar="FIGURE=VALUE", help=f"A figure of the tester, as ttft_p50=20.3ms. {', '.join(FIGURES)}."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(dir_okay=False, help=f"A file that the tester writes: of {TESTERS}.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End with 1 if a figure is off by more than 2 % at p50 or 5 % at p99.")
    ] = False,
    json_file: _Json = None,
) -> None:
    """Run any load tester against a server whose times are known, and tell what happened, by the server's own clock.

    In COMMAND {url} stands for http://HOST:PORT, {grpc} for HOST:PORT, and so do the environment's TRUTH_URL and
    TRUTH_GRPC. Given the tester's figures, it tells how far they are off. Ends with 1 if the tester failed.
    """
    given = parse_reported(reported or ())
    with law.server() as server:
        code, cpu = _run(command, server)
        truth = truth_of(server.record(), skip).model_copy(update={"cpu_seconds_per_request": cpu})
    if report is not None:
        given = {**read_report(report), **given}
    found = differences(truth, given)
    is_kept = _tell(terminal, truth, found, json_file)
    if code:
        terminal.fail(f"{command[0]} ended with {code}")
    if code or not is_kept or (strict and not all(map(_is_near, found))):
        raise typer.Exit(FAILED)


def _run(command: Sequence[str], server: TruthServer) -> tuple[int, float | None]:
    """Run the tester to its end; return its exit code, and its CPU seconds a request, between the first request's end
    and the last one's.
    """
    places = {"url": f"http://{server.address}", "grpc": server.address}
    words = list(command)
    for name, value in places.items():
        words = [word.replace(f"{{{name}}}", value) for word in words]
    environment = os.environ | {f"TRUTH_{name.upper()}": value for name, value in places.items()}
    looks: list[tuple[int, float, float]] = []  # requests that had ended, CPU, when
    with subprocess.Popen(words, env=environment) as process:
        is_over = threading.Event()

        def look() -> None:
            while not is_over.wait(_LOOK_SECONDS):
                ended, last, at = server.num_ended, looks[-1] if looks else (0, 0.0, 0.0), time.monotonic()
                if ended > last[0] and at - last[2] >= _CPU_SECONDS:
                    looks.append((ended, cpu_seconds_below(process.pid), at))

        watch = threading.Thread(target=look)
        watch.start()
        try:
            code = process.wait()
        finally:
            is_over.set()
            watch.join()
    if len(looks) < 2:
        return code, None
    (first, before, _), (last, after, _) = looks[0], looks[-1]
    return code, (after - before) / (last - first)


def _is_near(difference: Difference) -> bool:
    return abs(difference.error) <= ALLOWED.get(difference.quantile, float("inf"))


def _tell(terminal: Terminal, truth: Truth, found: Sequence[Difference], json_file: Path | None) -> bool:
    """Show what was the case, and what the tester said; return whether the file, if one is wanted, could be written."""
    figures = {name: getattr(truth, name) for name in (*FIGURES, "lateness")}
    rows = [
        Row([name, *(optional(getattr(figure, quantile), seconds) for quantile in QUANTILES)])
        for name, figure in figures.items()
    ]
    title = f"what was sent: {quantity(truth.num_requests, 'request')}"
    tables = [Table(["", *QUANTILES], rows, title)]
    if found:
        off = [
            Row([f"{each.figure} {each.quantile}", seconds(each.reported), seconds(each.truth),
                 Cell(f"{each.error:+.1%}", is_bad=not _is_near(each))])
            for each in found if each.quantile in QUANTILES
        ]  # fmt: skip
        tables.append(Table(["what the tester says", "reported", "truth", "error"], off))
    show(terminal, tables, [_load(truth)])
    return json_file is None or keep_document(truth, json_file, terminal)


def _load(truth: Truth) -> str:
    parts = [
        f"{optional(truth.requests_per_second, number)} requests/s over {seconds(truth.seconds)}",
        f"{number(truth.concurrency)} under way on average, {truth.max_concurrency} at the most",
        f"{truth.num_failed} failed, {truth.num_cancelled} were cut off",
    ]
    if truth.num_skipped:
        parts.append(f"{truth.num_skipped} before them left out")
    if truth.cpu_seconds_per_request is not None:
        parts.append(f"{seconds(truth.cpu_seconds_per_request)} of the tester's CPU a request")
    return f"load: {'; '.join(parts)}"
