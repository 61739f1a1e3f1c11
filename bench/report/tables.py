"""Tables of a report: runs, phases in milliseconds, fits, held-out checks, the machine, the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.crossover.document import Crossover, FittedCurve, Interval
from bench.load.document import Document, Machine, ServedModel
from bench.load.scenario import OpenLoop
from bench.report.chart import Stack
from bench.report.sources import Read, Rejected


@dataclass(frozen=True)
class TableRow:
    """`bad`: to be marked loudly."""

    cells: tuple[str, ...]
    bad: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    heads: tuple[str, ...]
    rows: tuple[TableRow, ...]


def milliseconds(seconds: float | None) -> str:
    """Return a cell; a dash for what is not known."""
    return "-" if seconds is None else f"{seconds * 1e3:.4g}"


def phase_table(stack: Stack) -> Table:
    """Return the stack's figures; the last column is the sum, which is what the client waited."""
    names = stack.part_names
    rows = [
        TableRow((row.label, *(milliseconds(row.parts.get(name)) for name in names), milliseconds(row.total_seconds)))
        for row in stack.rows
    ]
    heads = ("mean, ms", *(name.replace("_", " ") for name in names), "sum")
    return Table("The same in milliseconds", heads, tuple(rows))


def run_table(runs: Sequence[Read[Document]]) -> Table:
    """Return a row a stream; whatever is invalid or partial says so."""
    heads = ("run", "stream", "load", "planned", "ok", "images/s", "p50, ms", "p99, ms", "in time", "verdict")
    return Table("Load runs", heads, tuple(row for read in runs for row in _run_rows(read)))


def _run_rows(read: Read[Document]) -> list[TableRow]:
    document = read.document
    verdict = _verdict(document)
    rows = []
    for stream in document.streams:
        share = None if stream.goodput is None else stream.goodput.share
        cells = (
            read.name,
            stream.name,
            _load(document),
            f"{stream.fates.planned:,}",
            f"{stream.fates.ok:,}",
            "-" if stream.rates.images is None else f"{stream.rates.images:.4g}",
            milliseconds(stream.latency.seconds.p50),
            milliseconds(stream.latency.seconds.p99),
            "-" if share is None else f"{share:.1%}",
            verdict,
        )
        rows.append(TableRow(cells, bad=verdict != "valid"))
    return rows


def _verdict(document: Document) -> str:
    failed = [check.text for check in document.audit.checks if not check.passed]
    words = []
    if document.is_partial:
        words.append("PARTIAL")
    if not document.audit.valid:
        words.append(f"INVALID: {'; '.join(failed)}")
    return ". ".join((*words, *document.problems)) or "valid"


def _load(document: Document) -> str:
    load = document.scenario.load
    if isinstance(load, OpenLoop):
        end = f" to {load.end_rate_per_second:.4g}" if load.end_rate_per_second else ""
        return f"{load.rate_per_second:.4g}{end}/s, {load.arrivals}"
    end = f" to {load.end_concurrency}" if load.end_concurrency else ""
    return f"{load.concurrency}{end} callers"


def curve_table(crossover: Crossover) -> Table:
    """Return the parameters with their intervals."""
    heads = ("curve", "base, ms", "slope, ms each", "knee", "slope after, ms each", "RMS", "worst", "verdict")
    rows = []
    for service in crossover.services:
        unit = "t_step(batch)" if service.paradigm == "sequential" else "t_batch(batch)"
        for name, curve in ((unit, service.unit), ("t0(in flight)", service.rest), ("whole(in flight)", service.whole)):
            rows.append(TableRow((f"{service.paradigm} {name}", *_curve_cells(curve)), bad=not curve.is_good))
    return Table("Fitted parameters (95 % intervals)", heads, tuple(rows))


def _curve_cells(curve: FittedCurve) -> tuple[str, ...]:
    return (
        _spread(curve.base_seconds),
        _spread(curve.slope_seconds),
        "-" if curve.knee is None else f"{curve.knee:.3g}",
        "-" if curve.slope_after_seconds is None else _spread(curve.slope_after_seconds),
        f"{curve.relative_rms:.1%}",
        f"{curve.worst_relative_residual:.1%}",
        curve.verdict,
    )


def _spread(value: Interval) -> str:
    return f"{milliseconds(value.value)} ({milliseconds(value.low)} to {milliseconds(value.high)})"


def check_table(crossover: Crossover) -> Table:
    """Return prediction and measurement next to each other."""
    heads = (
        "held-out run",
        "offered images/s",
        "p50 predicted, ms",
        "measured",
        "p99 predicted, ms",
        "measured",
        "in time predicted",
        "measured",
        "note",
    )
    rows = []
    for capacity in crossover.capacities:
        for run in capacity.held_out:
            share = run.measured_share_within_slo
            cells = (
                capacity.paradigm,
                f"{run.rate_per_second:.4g}",
                milliseconds(run.predicted_p50_seconds),
                milliseconds(run.measured_p50_seconds),
                milliseconds(run.predicted_p99_seconds),
                milliseconds(run.measured_p99_seconds),
                f"{run.predicted_share_within_slo:.1%}",
                "-" if share is None else f"{share:.1%}",
                run.note if run.valid else f"INVALID: {run.note}",
            )
            rows.append(TableRow(cells, bad=not run.valid))
    return Table("The check: runs that the fits have not seen", heads, tuple(rows))


def machine_table(machines: Sequence[Machine]) -> Table:
    """Return what the measurements ran on."""
    rows = []
    for machine in machines:
        packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
        rows += [
            TableRow(("processor", machine.cpu_model)),
            TableRow(("cores", f"{machine.num_usable_cores} usable of {machine.num_cores}")),
            TableRow(("memory", f"{machine.memory_bytes / 2**30:.3g} GiB")),
            TableRow(("GPUs", ", ".join(machine.gpus) or "none")),
            TableRow(("system", machine.operating_system)),
            TableRow(("software", f"{machine.python}, {packages}")),
        ]
    return Table("Machine", ("", "generator's host"), tuple(rows))


def model_table(models: Sequence[ServedModel]) -> Table:
    """Return the models as their servers told of them."""
    heads = ("model", "paradigm", "modality", "runs on", "parameters", "steps an image", "licence")
    rows = [
        TableRow(
            (
                model.name,
                model.paradigm,
                model.modality,
                ", ".join(filter(None, (model.device, model.dtype, *model.providers))),
                "-" if model.num_parameters is None else f"{model.num_parameters:,}",
                "-" if model.tokens_per_image is None else f"{model.tokens_per_image}",
                model.licence,
            )
        )
        for model in models
    ]
    return Table("Models", heads, tuple(rows))


def file_table(rejected: Sequence[Rejected]) -> Table:
    """Return the files that could not be used."""
    return Table(
        "Files not used", ("file", "reason"), tuple(TableRow((each.name, each.reason), bad=True) for each in rejected)
    )
