"""The table over steps: a row each number of steps, and the models beside."""

from __future__ import annotations

from tandem.measure.formats import NONE, decimals, number, seconds
from tandem.measure.report.front import fid_of, front, name_of, wait_of
from tandem.measure.report.tables.comparison import highest_rate
from tandem.measure.report.tables.table import Cell, Columns, Table, table_of, value_cell
from tandem.measure.results.steps import Steps, StepsPoint
from tandem.measure.results.value import Value

_bits, _share = decimals(3), decimals(3)


def steps_tables(document: Steps) -> list[Table]:
    """Return the one table; none if nothing was measured."""
    best = front(document.points, fid_of)
    columns: Columns[StepsPoint] = {
        "": name_of,
        "alone": lambda point: value_cell(wait_of(point), seconds),
        f"images/s, p99\nwithin {seconds(document.settings.load.slo_seconds)}": lambda point: highest_rate(point.way),
        "servers' CPU\nan image": lambda point: value_cell(_cpu(point), seconds),
        "bits a token": lambda point: value_cell(point.bits_per_token, _bits),
        "over the most\nsteps": lambda point: value_cell(point.bits_over_most, _bits),
        "FID": _fid,
        "recall": lambda point: NONE if point.quality is None else _share(point.quality.model.recall),
        "right class": lambda point: NONE if point.quality is None else _share(point.quality.model.accuracy),
        "front": lambda point: "yes" if point in best else "",
    }
    return [table_of("over steps", document.points, columns)] if any(map(wait_of, document.points)) else []


def _cpu(point: StepsPoint) -> Value | None:
    """Return what an image costs the servers at the greatest load."""
    return point.way.curve[-1].cpu_seconds_per_image.servers if point.way.curve else None


def _fid(point: StepsPoint) -> Cell:
    if point.quality is None:
        return Cell(NONE)
    return value_cell(point.quality.fid or Value(value=point.quality.model.fid, count=1), number)
