"""What a run of the load generator says of itself and of the server; tables of one run, of a sweep and of all runs."""

from collections.abc import Sequence

from tandem.measure.formats import NONE, count, known, milliseconds, number, seconds, share
from tandem.measure.report.tables.table import Columns, Row, Table, table_of
from tandem.measure.results.distributions import PHASES, Distribution
from tandem.measure.results.load import Document, Goodput, StreamResult
from tandem.measure.results.value import Part

MOST_LOST = 0.01
"""Where a server refuses or loses a larger share of the requests, a backlog that does not grow says nothing."""


def load_text(document: Document) -> str:
    """Return the load."""
    load = document.scenario.load
    if load.loop == "open":
        end = f" to {load.end_rate_per_second:g}" if load.end_rate_per_second else ""
        return f"open loop, {load.arrivals}, {load.rate_per_second:g}{end} requests/s"
    end = f" to {load.end_concurrency}" if load.end_concurrency else ""
    return f"closed loop, {load.concurrency}{end} at a time"


def generator_text(document: Document) -> str:
    """Return what the generator itself did and cost."""
    audit = document.audit
    used = sum(each.cpu_seconds for each in audit.processes)
    sent = sum(each.num_requests for each in audit.processes)
    busiest = max(each.cpu_share for each in audit.processes)
    cost = f", {seconds(used / sent)} of CPU a request" if sent else ""
    late, most = known(audit.lateness.p50, seconds), count(audit.max_outstanding)
    return f"generator: {late} late at p50, {busiest:.0%} of a core{cost}, {most} under way at the most"


def backlog_text(document: Document) -> str:
    """Return whether the server keeps up; an empty text if too little was measured to tell."""
    found = document.backlog
    if found is None:
        return ""
    planned = sum(stream.outcomes.planned for stream in document.streams)
    lost = planned - sum(stream.outcomes.ok + stream.outcomes.cancelled for stream in document.streams)
    if not found.grows and (document.is_partial or lost > MOST_LOST * planned):
        why = "the run was broken off"
        if not document.is_partial:
            why = f"{share(lost / planned)} of the requests did not end well"
        return f"whether the server keeps up cannot be told, as {why}"
    verdict = "DOES NOT KEEP UP" if found.grows else "keeps up"
    slope = found.slope_per_second
    interval = f"{slope.low:+,.3g} to {slope.high:+,.3g} with 99 % confidence"
    return f"the server {verdict}: its backlog changes by {slope.value:+,.3g} requests a second ({interval})"


def counting_text(document: Document) -> str:
    """Return which tokens nobody has counted; empty where all were told, as Tandem's own servers tell them."""
    return "; ".join(
        f"{stream.name}: of {count(stream.num_uncounted)} answers the server told no number of tokens; each message"
        " that carries text counts as one"
        for stream in document.streams
        if stream.num_uncounted
    )


def control_text(document: Document) -> str:
    """Return how far equal runs differ here; empty without a control, or if no figure of it can be compared."""
    found = document.control
    if found is None or not found.differences:
        return ""
    least = "; ".join(f"{each.stream}, {each.figure}: {share(each.least)}" for each in found.differences)
    return f"two runs like this differ by chance by up to (95 % confidence): {least}"


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
    columns = [_figures(stream) for stream in document.streams]
    rows = [(name, *(column[name] for column in columns)) for name in (columns[0] if columns else ())]
    return Table(
        ("", *(stream.name for stream in document.streams)),
        [Row(cells) for cells in rows if any(cell != NONE for cell in cells[1:])],
        f"{part}{load_text(document)}, {number(document.window.seconds)} s",
    )


def _figures(stream: StreamResult) -> dict[str, str]:
    parts = stream.phases.parts if stream.phases else {}
    prompt = stream.num_prompt_tokens if stream.outcomes.ok else None
    return {
        "requests planned": count(stream.outcomes.planned),
        **{f"  {name}": known(getattr(stream.outcomes, name) or None, count) for name in _OUTCOMES},
        **_quantiles("latency", stream.latency),
        **_quantiles("first output", stream.first_output if stream.delivery == "streamed" else None),
        **_quantiles("gap", stream.gap),
        "requests/s": number(stream.rates.requests),
        "outputs/s": f"{number(stream.rates.outputs)} {stream.unit}s",
        "prompt tokens, mean": known(prompt, lambda tokens: number(tokens / stream.outcomes.ok)),
        "images/s": known(stream.rates.images, number),
        "within the objective": _in_time(stream.goodput),
        "batch size, mean": known(stream.batch_size.mean or None, number),
        "the median request": known(_or_none(stream.phases, "latency_around_p50_seconds"), seconds),
        **{
            f"  {name.replace('_', ' ')}": known(_or_none(parts.get(name), "around_p50_seconds"), seconds)
            for name in PHASES
        },
    }


def _quantiles(name: str, of: Distribution | None) -> dict[str, str]:
    spread = None if of is None else of.seconds
    return {f"{name} {shown}": known(_or_none(spread, field), seconds) for shown, field in _QUANTILES.items()}


def _or_none(part: Part | None, field: str) -> float | None:
    """Return a field of a part that may be missing."""
    return None if part is None else getattr(part, field)


def _in_time(goodput: Goodput | None) -> str:
    if goodput is None or goodput.share is None:
        return NONE
    return f"{share(goodput.share)}, {number(goodput.requests)}/s"


_Run = tuple[str, Document, StreamResult]
_RUN: Columns[_Run] = {
    "run": lambda row: row[0],
    "stream": lambda row: row[2].name,
    "ok": lambda row: f"{count(row[2].outcomes.ok)} of {count(row[2].outcomes.planned)}",
}
_SWEEP: Columns[_Run] = {
    **_RUN,
    "requests/s": lambda row: number(row[2].rates.requests),
    "outputs/s": lambda row: number(row[2].rates.outputs),
    "p50": lambda row: known(row[2].latency.seconds.p50, seconds),
    "p99": lambda row: known(row[2].latency.seconds.p99, seconds),
    "first p50": lambda row: known(row[2].first_output.seconds.p50, seconds),
    "valid": lambda row: "yes" if _is_valid(row) else "NO",
}
_ALL_RUNS: Columns[_Run] = {
    **_RUN,
    "load": lambda row: load_text(row[1]),
    "images/s": lambda row: known(row[2].rates.images, number),
    "p50, ms": lambda row: known(row[2].latency.seconds.p50, milliseconds),
    "p99, ms": lambda row: known(row[2].latency.seconds.p99, milliseconds),
    "in time": lambda row: known(_or_none(row[2].goodput, "share"), share),
    "verdict": lambda row: verdict(row[1]),
}


def sweep_table(runs: Sequence[tuple[str, Document]]) -> Table:
    """Return a row a stream of each run, under the names of the runs, which have the same workloads."""
    workloads = runs[0][1].scenario.workloads if runs else ()
    columns = {head: cell for head, cell in _SWEEP.items() if len(workloads) > 1 or head != "stream"}
    title = ", ".join(f"{workload.name} ({workload.unit}s)" for workload in workloads)
    return table_of(title, _rows(runs), columns, lambda row: not _is_valid(row))


def run_table(runs: Sequence[tuple[str, Document]]) -> Table:
    """Return a row a stream of each run, by the names of their files; whatever is invalid or partial says so."""
    return table_of("Load runs", _rows(runs), _ALL_RUNS, lambda row: verdict(row[1]) != "valid")


def _rows(runs: Sequence[tuple[str, Document]]) -> list[_Run]:
    return [(name, document, stream) for name, document in runs for stream in document.streams]


def _is_valid(row: _Run) -> bool:
    return row[1].audit.valid and not row[1].is_partial
