"""Tables of one load run, of a sweep and of all runs."""

from collections.abc import Sequence
from typing import NamedTuple

from tandem.measure.formats import NONE, count, milliseconds, number, optional, seconds, share
from tandem.measure.report.prose import sentence
from tandem.measure.report.sources import Run
from tandem.measure.report.tables.table import Columns, Row, Table, columns, table_of
from tandem.measure.results.distributions import PHASES, Distribution
from tandem.measure.results.load import Document, Goodput, StreamResult
from tandem.measure.results.value import Part


def verdict(document: Document) -> str:
    """Return whether the run is any good, and why it is not."""
    words = ["PARTIAL"] if document.is_partial else []
    if not document.audit.valid:
        words.append(f"INVALID: {'; '.join(check.text for check in document.audit.checks if not check.passed)}")
    return ". ".join((*words, *document.problems)) or "valid"


_QUANTILES = {"p50": "p50", "p90": "p90", "p99": "p99", "p99.9": "p999", "max": "max"}
_OUTCOMES = ("ok", "error", "deadline", "cancelled", "unfinished", "dropped", "abandoned")


def result_table(document: Document) -> Table:
    """Return a column a stream of requests and a row a figure; rows that say nothing of any stream are left out."""
    part = "partial: " if document.is_partial else ""
    load = sentence("load.load", document.scenario.load)
    figures = [_figures(stream) for stream in document.streams]
    rows = [(name, *(column[name] for column in figures)) for name in (figures[0] if figures else ())]
    return Table(
        ("", *(stream.name for stream in document.streams)),
        [Row(cells) for cells in rows if any(cell != NONE for cell in cells[1:])],
        f"{part}{load}, {number(document.window.seconds)} s",
    )


def _figures(stream: StreamResult) -> dict[str, str]:
    parts = stream.phases.parts if stream.phases else {}
    prompt = stream.num_prompt_tokens if stream.outcomes.ok else None
    return {
        "requests planned": count(stream.outcomes.planned),
        **{f"  {name}": optional(getattr(stream.outcomes, name) or None, count) for name in _OUTCOMES},
        **_quantiles("latency", stream.latency),
        **_quantiles("first output", stream.first_output if stream.delivery == "streamed" else None),
        **_quantiles("gap", stream.gap),
        "requests/s": number(stream.rates.requests),
        "outputs/s": f"{number(stream.rates.outputs)} {stream.unit}s",
        "prompt tokens, mean": optional(prompt, lambda tokens: number(tokens / stream.outcomes.ok)),
        "images/s": optional(stream.rates.images, number),
        "within the objective": _in_time(stream.goodput),
        "batch size, mean": optional(stream.batch_size.mean or None, number),
        "the median request": optional(_or_none(stream.phases, "latency_around_p50_seconds"), seconds),
        **{
            f"  {name.replace('_', ' ')}": optional(_or_none(parts.get(name), "around_p50_seconds"), seconds)
            for name in PHASES
        },
    }


def _quantiles(name: str, of: Distribution | None) -> dict[str, str]:
    spread = None if of is None else of.seconds
    return {f"{name} {shown}": optional(_or_none(spread, field), seconds) for shown, field in _QUANTILES.items()}


def _or_none(part: Part | None, field: str) -> float | None:
    """Return a field of a part that may be missing."""
    return None if part is None else getattr(part, field)


def _in_time(goodput: Goodput | None) -> str:
    if goodput is None or goodput.share is None:
        return NONE
    return f"{share(goodput.share)}, {number(goodput.requests)}/s"


class _Row(NamedTuple):
    run: str
    document: Document
    stream: StreamResult

    @property
    def is_valid(self) -> bool:
        return self.document.audit.valid and not self.document.is_partial


_RUN: Columns[_Row] = {
    **columns(("run", "run", str), ("stream", "stream.name", str)),
    "ok": lambda row: f"{count(row.stream.outcomes.ok)} of {count(row.stream.outcomes.planned)}",
}
_SWEEP: Columns[_Row] = {
    **_RUN,
    **columns(
        ("requests/s", "stream.rates.requests", number),
        ("outputs/s", "stream.rates.outputs", number),
        ("p50", "stream.latency.seconds.p50", seconds),
        ("p99", "stream.latency.seconds.p99", seconds),
        ("first p50", "stream.first_output.seconds.p50", seconds),
    ),
    "valid": lambda row: "yes" if row.is_valid else "NO",
}
_ALL_RUNS: Columns[_Row] = {
    **_RUN,
    "load": lambda row: sentence("load.load", row.document.scenario.load),
    **columns(
        ("images/s", "stream.rates.images", number),
        ("p50, ms", "stream.latency.seconds.p50", milliseconds),
        ("p99, ms", "stream.latency.seconds.p99", milliseconds),
    ),
    "in time": lambda row: optional(_or_none(row.stream.goodput, "share"), share),
    "verdict": lambda row: verdict(row.document),
}


def sweep_table(runs: Sequence[tuple[str, Document]]) -> Table:
    """Return a row a stream of each run, under the names of the runs, which have the same workloads."""
    workloads = runs[0][1].scenario.workloads if runs else ()
    shown = {head: cell for head, cell in _SWEEP.items() if len(workloads) > 1 or head != "stream"}
    title = ", ".join(f"{workload.name} ({workload.unit}s)" for workload in workloads)
    return table_of(title, _rows(runs), shown, lambda row: not row.is_valid)


def run_table(runs: Sequence[Run]) -> Table:
    """Return a row a stream of each run, by the names of their files; whatever is invalid or partial says so."""
    rows = _rows([(run.name, run.document) for run in runs])
    return table_of("Load runs", rows, _ALL_RUNS, lambda row: verdict(row.document) != "valid")


def _rows(runs: Sequence[tuple[str, Document]]) -> list[_Row]:
    return [_Row(name, document, stream) for name, document in runs for stream in document.streams]
