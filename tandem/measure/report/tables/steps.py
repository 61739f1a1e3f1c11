"""Tables over steps: a row each number of steps, and the models beside."""

from __future__ import annotations

from tandem.measure.formats import NONE, counted, decimals, known, number, seconds
from tandem.measure.report.front import cpu_of, front, sure_fid_of, tokenizer_fid, wait_of
from tandem.measure.report.tables.comparison import highest_rate
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.report.tables.views import views_tables
from tandem.measure.results.steps import Steps, StepsPoint

_bits, _share = decimals(3), decimals(3)


def steps_tables(document: Steps) -> list[Table]:
    """Return what each costs, and what it buys; none if nothing was measured."""
    if not any(map(wait_of, document.points)):
        return []
    best = front(document.points)
    slo = seconds(document.settings.load.slo_seconds)
    costs: Columns[StepsPoint] = {
        "": _name,
        "alone": lambda point: value_cell(wait_of(point), seconds),
        f"images/s, p99 within {slo}": lambda point: highest_rate(point.mode),
        "servers' CPU an image": lambda point: value_cell(cpu_of(point), seconds),
    }
    quality: Columns[StepsPoint] = {
        "": _name,
        "bits": lambda point: NONE if point.bits_per_token is None else _bits(point.bits_per_token.value),
        "over the most steps": lambda point: value_cell(point.bits_over_most, _bits),
        "FID": lambda point: value_cell(sure_fid_of(point), number),
        "of real images through its tokenizer": _lost,
        "recall": lambda point: NONE if point.quality is None else _share(point.quality.model.recall),
        "right class": lambda point: NONE if point.quality is None else _share(point.quality.model.accuracy),
        "front": lambda point: "yes" if point in best else "",
    }
    model = document.models[0].name
    return [
        table_of(f"What {model} costs in K steps, and the others", document.points, costs),
        table_of("What it buys: bits a token, quality", document.points, quality),
        *views_tables([(_name(point), point.mode.model, point.quality) for point in document.points]),
    ]


def _name(point: StepsPoint) -> str:
    return point.mode.model if point.steps is None else counted(point.steps, "step")


def _lost(point: StepsPoint) -> str:
    """Return what no number of steps can better."""
    return known(tokenizer_fid(point.quality), number)
