"""Tables of a fit: its curves, and the check of what it predicts."""

from __future__ import annotations

from tandem.measure.formats import known, milliseconds, number, share
from tandem.measure.report.sentences.crossover import fit_verdict
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.crossover import Crossover, FittedCurve, HeldOut

_CURVES: Columns[tuple[str, FittedCurve]] = {
    "curve": lambda row: row[0],
    "base, ms": lambda row: value_cell(row[1].base_seconds, milliseconds),
    "slope, ms each": lambda row: value_cell(row[1].slope_seconds, milliseconds),
    "knee": lambda row: known(row[1].knee, number),
    "slope after, ms each": lambda row: value_cell(row[1].slope_after_seconds, milliseconds),
    "RMS": lambda row: share(row[1].relative_rms),
    "worst": lambda row: share(row[1].worst_relative_residual),
    "verdict": lambda row: fit_verdict(row[1]).partition(":")[0],
}
_CHECKS: Columns[tuple[str, HeldOut]] = {
    "held-out run": lambda row: row[0],
    "offered\nimages/s": lambda row: number(row[1].rate_per_second),
    "p50, ms\npredicted": lambda row: milliseconds(row[1].predicted_p50_seconds),
    "p50, ms\nmeasured": lambda row: known(row[1].measured_p50_seconds, milliseconds),
    "p99, ms\npredicted": lambda row: milliseconds(row[1].predicted_p99_seconds),
    "p99, ms\nmeasured": lambda row: known(row[1].measured_p99_seconds, milliseconds),
    "in time\npredicted": lambda row: share(row[1].predicted_share_within_slo),
    "in time\nmeasured": lambda row: known(row[1].measured_share_within_slo, share),
    "problems": lambda row: "; ".join([*([] if row[1].valid else ["INVALID"]), *row[1].problems]),
}


def crossover_tables(crossover: Crossover) -> list[Table]:
    """Return those that have a row."""
    units = {"sequential": "t_step(batch)", "parallel": "t_batch(batch)"}
    curves = [
        (f"{each.paradigm} {name}", curve)
        for each in crossover.services
        for name, curve in (
            (units[each.paradigm], each.unit),
            ("t0(in flight)", each.rest),
            ("whole(in flight)", each.whole),
        )
    ]
    runs = [(str(capacity.paradigm), run) for capacity in crossover.capacities for run in capacity.held_out]
    tables = (
        table_of("Fitted parameters (95 % intervals)", curves, _CURVES, lambda row: not row[1].is_good),
        table_of("The check: runs that the fits have not seen", runs, _CHECKS, lambda row: not row[1].valid),
    )
    return [table for table in tables if table.rows]
