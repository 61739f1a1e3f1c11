"""Tables of a fit: its parameters, and the trials behind the capacities."""

from tandem.measure.formats import NONE, count, known, milliseconds, number, share
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.crossover import Crossover, FittedCurve, Trial
from tandem.measure.studies.fit.capacity import is_met, is_telling

_CURVES: Columns[tuple[str, FittedCurve]] = {
    "curve": lambda row: row[0].replace(" ", "\n", 1),
    "base, ms": lambda row: value_cell(row[1].base_seconds, milliseconds),
    "slope,\nms each": lambda row: value_cell(row[1].slope_seconds, milliseconds),
    "knee": lambda row: known(row[1].knee, number),
    "slope after,\nms each": lambda row: value_cell(row[1].slope_after_seconds, milliseconds),
    "RMS": lambda row: share(row[1].relative_rms),
    "fit": lambda row: "good" if row[1].is_good else "POOR",
}
_VERDICTS = {True: "met", False: "missed", None: "too near to tell"}
_TRIALS: Columns[tuple[str, Trial, float]] = {
    "trial": lambda row: row[0],
    "offered\nimages/s": lambda row: number(row[1].rate_per_second),
    "requests": lambda row: count(row[1].num_requests),
    "p50, ms": lambda row: known(row[1].p50_seconds, milliseconds),
    "p99, ms": lambda row: known(row[1].p99_seconds, milliseconds),
    "in time": lambda row: known(row[1].share_within_slo, share),
    "objective": lambda row: _VERDICTS[is_met(row[1], row[2])] if is_telling(row[1]) else NONE,
    "problems": lambda row: "; ".join([*([] if row[1].valid else ["INVALID"]), *row[1].problems]),
}


def crossover_tables(crossover: Crossover) -> list[Table]:
    """Return those that have a row."""
    curves = []
    for service in crossover.services:
        unit = "t_step(batch)" if service.paradigm == "sequential" else "t_batch(batch)"
        named = ((unit, service.unit), ("t0(in flight)", service.rest), ("whole(in flight)", service.whole))
        curves += [(f"{service.paradigm} {name}", curve) for name, curve in named]
    runs = [
        (str(capacity.paradigm), run, capacity.slo_seconds)
        for capacity in crossover.capacities
        for run in sorted(capacity.trials, key=lambda trial: trial.rate_per_second)
    ]
    tables = (
        table_of("Fitted parameters (95 % intervals)", curves, _CURVES, lambda row: not row[1].is_good),
        table_of("Open loops at steady rates", runs, _TRIALS, lambda row: not row[1].valid),
    )
    return [table for table in tables if table.rows]
