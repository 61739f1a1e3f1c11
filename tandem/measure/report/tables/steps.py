"""Tables of a measurement over steps: what each costs, and what it buys."""

from tandem.measure.formats import NONE, counted, decimals, known, number, seconds
from tandem.measure.report.front import cpu_of, fid_of, front, tokenizer_fid, wait_of
from tandem.measure.report.tables.comparison import highest_rate
from tandem.measure.report.tables.quality import views_tables
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.comparison import Point
from tandem.measure.results.steps import Steps, StepsPoint

_three = decimals(3)


def steps_tables(document: Steps) -> list[Table]:
    """Return what each costs, and what it buys; none if nothing was measured."""
    if not any(map(wait_of, document.points)):
        return []
    best = front(document.points)
    slo = seconds(document.settings.load.slo_seconds)
    costs: Columns[StepsPoint] = {
        "": _name,
        "one caller": lambda point: value_cell(wait_of(point), seconds),
        "of it computing": lambda point: known(_computing(point.mode.alone), seconds),
        f"images/s, p99 within {slo}": lambda point: highest_rate(point.mode),
        "servers' CPU per image": lambda point: value_cell(cpu_of(point), seconds),
        "of it computing ": lambda point: known(_share_of_batch(point), seconds),
    }
    quality: Columns[StepsPoint] = {
        "": _name,
        "bits": lambda point: NONE if point.bits_per_token is None else _three(point.bits_per_token.value),
        "over the most steps": lambda point: value_cell(point.bits_over_most, _three),
        "predicted": lambda point: known(point.predicted_over_most, _three),
        "FID": lambda point: value_cell(fid_of(point), number),
        "of real images through its tokenizer": lambda point: known(tokenizer_fid(point.quality), number),
        "recall": lambda point: NONE if point.quality is None else _three(point.quality.model.recall),
        "right class": lambda point: NONE if point.quality is None else _three(point.quality.model.accuracy),
        "front": lambda point: "yes" if point in best else "",
    }
    model = document.models[0].name
    return [
        table_of(f"What {model} costs in K steps, and the others", document.points, costs),
        table_of("What it buys: bits a token, quality", document.points, quality),
        *views_tables([(_name(point), point.mode.model, point.quality) for point in document.points]),
    ]


def _computing(point: Point | None) -> float | None:
    """Return the mean seconds of an image in steps, or in the pass of a parallel model."""
    parts = {} if point is None or point.phases is None else point.phases.parts
    found = [parts[name].mean_seconds for name in ("prefill", "decode", "compute") if name in parts]
    return sum(found) if found else None


def _share_of_batch(point: StepsPoint) -> float | None:
    """Return an image's share of the steps that it took at the greatest load together with others."""
    last = point.mode.curve[-1] if point.mode.curve else None
    computing, batch = _computing(last), None if last is None else last.batch_size.mean
    return None if computing is None or not batch else computing / batch


def _name(point: StepsPoint) -> str:
    return point.mode.model if point.steps is None else counted(point.steps, "step")
