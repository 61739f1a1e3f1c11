"""Options that the commands of `tandem bench` have in common, and the scenario they come to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from bench.load.scenario import ClosedLoop, OpenLoop, Scenario, Work
from bench.load.setting_errors import explained
from bench.load.work_text import parse_work

LOAD, LIMITS = "Load", "Generator"
DEFAULT_WORK = "images"
DEFAULT_SECONDS = 10.0
RESULTS_DIR = Path("out/bench")


def _checked(text: str) -> str:
    try:
        parse_work(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _all_checked(texts: list[str] | None) -> list[str]:
    return [_checked(text) for text in texts or [DEFAULT_WORK]]


WorkTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--work",
        "-w",
        metavar="KIND[,KEY=VALUE...]",
        callback=_all_checked,
        help=(
            "What to ask for; repeat it for a mix. KIND: text, picture (of a sequential image model) or images. Then"
            " streamed or unary, model=NAME, weight=W, tokens=LENGTHS and prompt=LENGTHS (text), images=LENGTHS,"
            " deadline=S, slo=S, slo-first=S, cancel=SHARE, cancel-after=LOW:HIGH (seconds). LENGTHS: N,"
            rf" uniform:LOW:HIGH, geometric:MEAN or choice:8:64:256.  \[default: {DEFAULT_WORK}]"
        ),
    ),
]
Arrivals = Annotated[
    Literal["poisson", "constant"], typer.Option(help="How an open loop's requests are spaced.", rich_help_panel=LOAD)
]
Duration = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        rich_help_panel=LOAD,
        help=rf"How long, warm-up not counted.  \[default: {DEFAULT_SECONDS:g}, without --requests]",
    ),
]
Requests = Annotated[int | None, typer.Option(help="How many, warm-up not counted.", rich_help_panel=LOAD)]
WarmUp = Annotated[float, typer.Option(metavar="SECONDS", help="The same load before, left out.", rich_help_panel=LOAD)]
Seed = Annotated[int, typer.Option(help="Of arrivals, lengths, cancels and requests.", rich_help_panel=LOAD)]
Drain = Annotated[
    float,
    typer.Option(metavar="SECONDS", help="Longest wait for what is under way at the end.", rich_help_panel=LIMITS),
]
Processes = Annotated[int, typer.Option(help="Processes that share the load.", rich_help_panel=LIMITS)]
Connections = Annotated[int, typer.Option(help="Connections of each process.", rich_help_panel=LIMITS)]
MaxOutstanding = Annotated[
    int,
    typer.Option(help="Requests under way in a process; what is due beyond is dropped.", rich_help_panel=LIMITS),
]


def scenario_of(works: Sequence[str] | None, load: OpenLoop | ClosedLoop, **settings: Any) -> Scenario:
    """Return the scenario. Raises ValueError that names field, value and what is accepted."""
    if settings.get("duration_seconds") is None and settings.get("num_requests") is None:
        settings["duration_seconds"] = DEFAULT_SECONDS
    try:
        return Scenario(works=parsed_works(works), load=load, **settings)
    except ValidationError as error:
        raise ValueError(explained(error)) from None


def parsed_works(texts: Sequence[str] | None) -> tuple[Work, ...]:
    return tuple(parse_work(text) for text in texts or [DEFAULT_WORK])


def open_loop(rate: float, arrivals: str, end_rate: float | None = None) -> OpenLoop:
    """Return an open loop. Raises ValueError."""
    try:
        return OpenLoop(rate_per_second=rate, arrivals=arrivals, end_rate_per_second=end_rate)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ValueError(explained(error)) from None


def closed_loop(concurrency: int, end_concurrency: float | None = None) -> ClosedLoop:
    """Return a closed loop. Raises ValueError."""
    try:
        return ClosedLoop(concurrency=concurrency, end_concurrency=end_concurrency)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ValueError(explained(error)) from None


def timestamp() -> str:
    """Return the time as part of a file's name."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
