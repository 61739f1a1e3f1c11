"""Options that the commands of `tandem bench` have in common, the scenario they come to, and what `tandem bench run`
may ask instead of Tandem's own methods: by --api any server that speaks OpenAI's API or the Open Inference Protocol,
by --method any method of any gRPC server, with requests out of a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tandem.cli.options import JUDGE_DIR
from tandem.cli.terminal import Terminal
from tandem.measure.scenario import Api, ClosedLoop, OpenLoop, Scenario, Workload
from tandem.measure.trace import TraceRow
from tandem.measure.workload_text import METHOD_KEYS, parse_method, parse_workload
from tandem.shared.validation_errors import explain_errors

load_option = partial(typer.Option, rich_help_panel="Load")
_limit = partial(typer.Option, rich_help_panel="Generator")
_what = partial(typer.Option, rich_help_panel="What to compare")
_against = partial(typer.Option, rich_help_panel="Quality")

DEFAULT_WORKLOAD, DEFAULT_API_WORKLOAD = "images", "text"
DEFAULT_SECONDS = 10.0
DEFAULT_ARRIVALS, DEFAULT_MAX_OUTSTANDING = "poisson", 4000
RESULTS_DIR = Path("out/bench")


def folder_option(command: str, what: str = "Folder") -> Any:
    """Return --out of a command that writes several documents."""
    return typer.Option("--out", file_okay=False, help=rf"{what}.  \[default: {RESULTS_DIR}/{command}-TIME]")


def _all_checked(texts: list[str] | None) -> list[str] | None:
    try:
        for text in texts or ():
            parse_workload(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return texts or None


WorkloadTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--workload",
        "-w",
        metavar="KIND[,KEY=VALUE...]",
        callback=_all_checked,
        help=(
            "What to ask for; repeat it for a mix. KIND: text, image (of a sequential image model) or images. Then"
            " streamed or unary, model=NAME, weight=W, tokens=LENGTHS, prompt=LENGTHS, turns=N, think=LOW:HIGH (s) and"
            " common=SHARE (text), steps=K (image),"
            " images=LENGTHS, classes=N (images by another API), deadline=S, slo=S, slo-first=S, cancel=SHARE,"
            " cancel-after=LOW:HIGH (seconds). LENGTHS: N, uniform:LOW:HIGH, geometric:MEAN or choice:8:64:256."
            rf"  \[default: {DEFAULT_WORKLOAD}]"
        ),
    ),
]
Seed = Annotated[int, load_option(help="Of arrivals, lengths, cancels and requests.")]


@dataclass(frozen=True)
class RunOptions:
    """How long a load lasts, how it is spaced, and what the generator may use for it."""

    spacing: Annotated[
        Literal["poisson", "constant"] | None,
        load_option("--arrivals", help=rf"How an open loop's requests are spaced.  \[default: {DEFAULT_ARRIVALS}]"),
    ] = None
    duration_seconds: Annotated[
        float | None,
        load_option(
            "--duration",
            metavar="SECONDS",
            help=rf"How long, warm-up not counted.  \[default: {DEFAULT_SECONDS:g}, without --requests]",
        ),
    ] = None
    num_requests: Annotated[int | None, load_option("--requests", help="How many, warm-up not counted.")] = None
    warm_up_seconds: Annotated[
        float, load_option("--warm-up", metavar="SECONDS", help="The same load before, left out.")
    ] = 2.0
    seed: Seed = 0
    drain_seconds: Annotated[
        float, _limit("--drain", metavar="SECONDS", help="Longest wait for open requests at the end.")
    ] = 60.0
    num_processes: Annotated[int, _limit("--processes", help="Processes that share the load.")] = 1
    connections_per_process: Annotated[int, _limit("--connections", help="Connections of each process.")] = 4
    max_outstanding_per_process: Annotated[
        int | None,
        _limit(
            "--max-outstanding",
            help="Open requests of a process, in an open loop; further ones that are due are dropped."
            rf"  \[default: {DEFAULT_MAX_OUTSTANDING}]",
        ),
    ] = None

    @property
    def arrivals(self) -> str:
        return self.spacing or DEFAULT_ARRIVALS

    def scenario(self, workloads: Sequence[Workload], load: OpenLoop | ClosedLoop, round_number: int = 0) -> Scenario:
        """Return the scenario; each round has a seed of its own. Raises ValueError that names field, value and what is
        accepted, and BadParameter for what belongs to open loops alone.
        """
        if isinstance(load, ClosedLoop) and not (self.spacing is None and self.max_outstanding_per_process is None):
            raise typer.BadParameter("--arrivals and --max-outstanding belong to open loops, and this one is closed")
        given = {
            name: value for name, value in vars(self).items() if value is not None and name in Scenario.model_fields
        }
        if self.duration_seconds is None and self.num_requests is None:
            given["duration_seconds"] = DEFAULT_SECONDS
        with explain_errors():
            return Scenario(workloads=tuple(workloads), load=load, **given | {"seed": self.seed + round_number})

    def of_trace(self, workloads: Sequence[Workload], trace: Sequence[TraceRow], has_control: bool) -> Scenario:
        """Return the scenario of a trace. Raises ValueError, BadParameter."""
        if has_control or (self.spacing, self.duration_seconds, self.num_requests) != (None, None, None):
            raise typer.BadParameter("--control, --arrivals, --duration and --requests do not go with --trace")
        if len(workloads) > 1 or workloads[0].kind != "text" or workloads[0].turns > 1:
            raise typer.BadParameter("a trace is of one workload, of texts without turns")
        rate = len(trace) / max(1e-3, trace[-1].timestamp * 1e-3)
        load = OpenLoop(rate_per_second=rate, arrivals="trace")
        return replace(self, num_requests=len(trace), warm_up_seconds=0.0).scenario(workloads, load)


@dataclass(frozen=True)
class ModelOptions:
    """Which two models are asked; if they draw the same images of the same classes, they are a matched pair."""

    sequential_model: Annotated[str, _what(help=r"A sequential model. \[default: the matched, or the only one]")] = ""
    parallel_model: Annotated[str, _what(help=r"A parallel one. \[default: likewise]")] = ""

    @property
    def names(self) -> tuple[str, str]:
        return self.sequential_model, self.parallel_model


Beside = Annotated[
    str,
    _what(
        metavar="HOST:PORT",
        help="Another gateway that serves the same two models in one precision, to be measured in the same rounds.",
    ),
]


@dataclass(frozen=True)
class JudgeOptions:
    """What the quality of images is measured with."""

    judge: Annotated[Path, _against(help="The judge's model folder.")] = JUDGE_DIR
    reference: Annotated[Path | None, _against(help="Other images than Fashion-MNIST, as for `models evaluate`.")] = (
        None
    )

    def problem(self, terminal: Terminal) -> str:
        """Return why quality cannot be measured with what is usual, empty if it can; what was named must be there.

        All the rest is worth measuring without it, so it is said, and no more.
        """
        from tandem.measure.quality.reference import fashion_mnist

        problem = ""
        if self.judge == JUDGE_DIR and not JUDGE_DIR.is_dir():
            problem = f"there is no judge at {JUDGE_DIR}; --judge names another one, as in a checkout of Tandem"
        elif self.reference is None:
            try:
                fashion_mnist()
            except FileNotFoundError as error:
                problem = str(error)
        if problem:
            terminal.note(f"quality will not be measured: {problem}")
        return problem


_Page = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Its metrics page, if not the one that the server reports.",
        rich_help_panel="CPU time",
    ),
]


@dataclass(frozen=True)
class MeterOptions:
    """Where servers tell of their CPU time."""

    gateway_metrics: _Page = None
    sequential_metrics: _Page = None
    parallel_metrics: _Page = None

    @property
    def pages(self) -> dict[str, str]:
        return {name.removesuffix("_metrics"): page for name, page in vars(self).items() if page is not None}


def parse_workloads(texts: Sequence[str] | None, api: Api = "tandem", model: str = "") -> tuple[Workload, ...]:
    """Return the workloads, of Tandem's own protocol or by another API. Raises ValueError."""
    usual = DEFAULT_WORKLOAD if api == "tandem" else DEFAULT_API_WORKLOAD
    workloads = tuple(parse_workload(text, api, model) for text in texts or [usual])
    if api == "tandem" and any(workload.num_classes is not None for workload in workloads):
        raise typer.BadParameter("classes=N belongs to --api: Tandem's own models tell how many they have")
    return workloads


def timestamp() -> str:
    """Return the time as part of a file's name: to the microsecond, so that no two runs have the same."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")


_api = partial(typer.Option, rich_help_panel="Any server by another API")
_method = partial(typer.Option, rich_help_panel="Any gRPC method")

Requests = tuple[tuple[bytes, ...], ...]


@dataclass(frozen=True)
class ApiOptions:
    """Which protocol is spoken, and the model of workloads that name none."""

    api: Annotated[
        Api,
        _api(
            help="The API. openai: completions and images; openai-chat; both over HTTP, --address is HOST:PORT or"
            " a URL. oip: the Open Inference Protocol over gRPC, as Triton's vLLM backend names text. The key is"
            " TANDEM_API_KEY. Any server works; what only Tandem's servers report is left out."
        ),
    ] = "tandem"
    model: Annotated[str, _api(help=r"Which model. \[default: the only one, or the first listed]")] = ""


@dataclass(frozen=True)
class MethodOptions:
    """A method to call instead of those of Tandem, and its requests."""

    method: Annotated[
        str | None,
        _method(
            metavar="PACKAGE.SERVICE/METHOD[,KEY=VALUE...]",
            help="Call this instead, unary or server-streaming, of any server; needs --data. KEY: "
            f"{', '.join(METHOD_KEYS)}, as for --workload.",
        ),
    ] = None
    data: Annotated[Path | None, _method(dir_okay=False, help="A request in JSON, or a list, sent in turn.")] = None
    proto: Annotated[
        Path | None,
        _method(
            dir_okay=False,
            help="The method's .proto file, or a descriptor set; without it the server is asked, by reflection.",
        ),
    ] = None

    async def workloads(
        self, address: str, texts: list[str] | None, api: ApiOptions
    ) -> tuple[tuple[Workload, ...], Requests]:
        """Return the workloads, and the serialised requests of those that are not drawn. Raises ValueError, OSError."""
        if self.method is None:
            if self.data is not None or self.proto is not None:
                raise typer.BadParameter("--data and --proto belong to --method, which is not given")
            return parse_workloads(texts, api.api, api.model), ()
        if texts:
            raise typer.BadParameter("give one of --workload and --method")
        if api != ApiOptions():
            raise typer.BadParameter("give one of --method and --api, --model")
        if self.data is None:
            raise typer.BadParameter("--method needs --data: a file with a request in JSON, or a list of them")
        from tandem.measure.generator.requests.methods import read_messages, read_method, reflect_method

        name = self.method.partition(",")[0]
        method = await reflect_method(address, name) if self.proto is None else read_method(self.proto, name)
        return (parse_method(self.method, method.delivery),), (read_messages(self.data, method),)
