"""What a measurement over steps says, in sentences and in tables: what each costs and buys, and the bits foretold."""

from collections.abc import Iterator

from tandem.measure.formats import NONE, counted, decimals, known, number, ranged, seconds
from tandem.measure.report.front import cpu_of, fid_of, front, tokenizer_fid, wait_of
from tandem.measure.report.sentences.answer import AS_GOOD, no_rate
from tandem.measure.report.tables.comparison import highest_rate
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.report.tables.views import views_tables
from tandem.measure.results.comparison import Point
from tandem.measure.results.steps import Steps, StepsPoint

METHOD = (
    "Over steps: every model is asked in unary calls, in the same rounds in random order, with one caller and with"
    " more; a step generates several of an image's tokens, independently of each other given those of earlier steps.",
    "Over steps: bits a token are asked of `Score` for each number of steps, of the same test images. The likelihood is"
    " exact: it is that of what such a number of steps draws.",
    "Over steps: bits are predicted by the sum of the measured costs of the steps (the Riemann sum of an information"
    " curve: Chen, Cong and Li 2025, arXiv 2511.04647); nothing is fitted.",
    "Over steps: computing is the steps, or the pass of a parallel model, without the queue, the token decoder, the"
    " gateway and the client. Under load it is the time of the steps divided by the images that shared them, which is"
    " their processor time where one thread computes.",
    f"Over steps: fewer steps do as well as all if their FID is at most {AS_GOOD - 1:.0%} larger, and no test of the"
    " difference finds them worse in any view.",
)
_bits, _share = decimals(3), decimals(3)


def explanation(document: Steps) -> tuple[str, ...]:
    """Return how far the predicted bits are from the measured ones, or why that is not known."""
    if not document.num_scored:
        return (f"Bits a token were not measured: {document.judgement.reason or 'the server gave no likelihoods'}.",)
    checks = [
        (point.steps, point.predicted_over_most, point.bits_over_most)
        for point in document.points
        if point.predicted_over_most is not None and point.bits_over_most is not None
    ]
    if not checks:
        return ("Bits a token were not predicted: the costs of the model's steps were not at hand.",)
    each = (f"{_bits(told)} in {steps}, where {ranged(seen, _bits)} was measured" for steps, told, seen in checks)
    return (
        f"The price in bits a token, over {document.settings.steps[-1]} steps, is the sum of the measured costs of the"
        f" steps, with nothing fitted: {'; '.join(each)}. It is off by up to"
        f" {max(abs(told - seen.value) for _, told, seen in checks):.3f} bits.",
    )


def caveats(document: Steps) -> Iterator[str]:
    """Yield what a reader has to know."""
    if document.judgement.reason:
        yield f"Over steps: quality was not measured: {document.judgement.reason}."
    judged = next((point.quality for point in document.points if point.quality is not None), None)
    if judged is not None:
        yield (
            f"Over steps: quality is of {counted(judged.model.num_images, 'image')} of each model and number of"
            f" steps; as many real ones have FID {judged.floor.fid:.2f}, extrapolated as all are."
        )
    if document.num_scored:
        yield f"Over steps: bits are of {counted(document.num_scored, 'test image')}."
    for text in filter(None, map(no_rate, document.points)):
        yield f"Over steps: {text}"
    if any(point.mode.capacity for point in document.points):
        callers = ", ".join(map(str, document.settings.load.concurrencies))
        yield f"Over steps: images/s within the objective is the best of {callers} callers in a closed loop."


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
        "bits": lambda point: NONE if point.bits_per_token is None else _bits(point.bits_per_token.value),
        "over the most steps": lambda point: value_cell(point.bits_over_most, _bits),
        "predicted": lambda point: known(point.predicted_over_most, _bits),
        "FID": lambda point: value_cell(fid_of(point), number),
        "of real images through its tokenizer": lambda point: known(tokenizer_fid(point.quality), number),
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
