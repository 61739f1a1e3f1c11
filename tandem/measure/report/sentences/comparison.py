"""What a comparison says: what it comes to, how sure that is, how to read it."""

from collections.abc import Iterator, Sequence

from tandem.measure.formats import NONE, count, ends, number, seconds, share
from tandem.measure.report.sentences.audits import LOCAL, audit_text
from tandem.measure.results.comparison import ALONE, Comparison, Contrast, Metric
from tandem.measure.results.value import Value

_UNARY = ("sequential unary", "parallel unary")
_STREAMED = ("sequential streamed", "parallel streamed")
_MAX_CLIENT_CPU_SHARE = 0.9


def headlines(document: Comparison) -> Iterator[str]:
    """Yield what it comes to."""
    sequential, parallel = (model.name for model in document.models)
    if document.is_partial:
        yield "PARTIAL: this comparison did not go to its end."
    if not document.is_matched:
        yield from _unmatched(document)
        return
    height, width, *_ = document.models[0].image_shape
    what = f"One {height}x{width} image of a class, one caller"
    found = contrast(document, _UNARY, ALONE, "latency_p50_seconds")
    if found is None:
        yield f"{what}: nothing was measured."
        return
    first, second = (seconds(value) for value in (found.first_value, found.second_value))
    times = "too little to compare"
    if found.ratio is not None:
        sure = ends(found.ratio, number, " to ")
        times = f"{number(found.ratio.value)} times as long{sure and f' ({sure})'}"
    yield f"{what}: {second} from {parallel} (parallel), {first} from {sequential} (sequential), {times}."
    token = contrast(document, _STREAMED, ALONE, "first_output_p50_seconds")
    if token is not None:
        yield f"Streamed, the first token of the sequential model arrives after {seconds(token.first_value)}."
    if (most := max(document.settings.concurrencies)) > ALONE:
        rates = contrast(document, _UNARY, most, "images_per_second")
        if rates is not None:
            yield (
                f"With {rates.concurrency} callers at a time: {number(rates.second_value)} images/s in parallel,"
                f" {number(rates.first_value)} in sequence."
            )
    yield from control_text(document)


def _unmatched(document: Comparison) -> Iterator[str]:
    """Yield what each model's own work costs, and the way to a pair that can be held against each other."""
    told = []
    for model in document.models:
        unary = next(mode for mode in document.modes if mode.name == f"{model.paradigm} unary")
        wait = None if unary.alone is None else unary.alone.latency.p50
        took = "not measured" if wait is None else seconds(wait.value)
        told.append(f"{document.work[model.paradigm].name} from {model.name} ({model.paradigm}) {took}")
    yield (
        f"One request, one caller: {', '.join(told)}. This is different work: this is what each costs, not which is"
        " better. docs/your-own-pair.md names the way to a matched pair."
    )
    yield from control_text(document)


def contrast(document: Comparison, pair: tuple[str, str], concurrency: int, metric: str) -> Contrast | None:
    """Return a contrast of a document; None if it has none."""
    wanted = (*pair, concurrency, metric)
    found = (each for each in document.contrasts if (each.first, each.second, each.concurrency, each.metric) == wanted)
    return next(found, None)


def advantage(document: Comparison, concurrency: int, metric: str) -> Value | None:
    """Return how many times the unary parallel call is better than the sequential one; above 1: better."""
    found = contrast(document, _UNARY, concurrency, metric)
    if found is None or found.ratio is None:
        return None
    ratio = found.ratio
    if metric != "images_per_second":
        return ratio
    low, high = (None if each is None else 1 / each for each in (ratio.high, ratio.low))
    return ratio.model_copy(update={"value": 1 / ratio.value, "low": low, "high": high})


def least_difference(controls: Sequence[Contrast], concurrency: int, metric: Metric) -> float | None:
    """Return the greatest share by which equal things differ in a metric, by the ends of the intervals of their ratios;
    None where there was no control.
    """
    ratios = [each.ratio for each in controls if (each.concurrency, each.metric) == (concurrency, metric)]
    found = [end for ratio in ratios if ratio for end in (ratio.value, ratio.low, ratio.high)]
    return max((max(end, 1 / end) - 1 for end in found if end is not None and end > 0.0), default=None)


def control_text(document: Comparison) -> Iterator[str]:
    """Yield how large a difference must be before it means anything; nothing where there was no control."""
    most = max(document.settings.concurrencies)
    found = {
        "the latency of one caller": least_difference(document.controls, ALONE, "latency_p50_seconds"),
        f"images/s with {most} callers": least_difference(document.controls, most, "images_per_second")
        if most > ALONE
        else None,
    }
    told = [f"{share(each)} in {what}" for what, each in found.items() if each is not None]
    if told:
        yield (
            f"Control: two series of the same unary call differ by up to {' and '.join(told)} (the far end of the"
            " interval). A smaller difference between modes means nothing here."
        )


def small_print(document: Comparison) -> Iterator[str]:
    """Yield how to read it, and what to keep in mind."""
    better = (
        " Better by: of the unary calls, the median of what each round says by itself, so that it need not be the"
        " quotient of the two columns."
    )
    yield (
        f"Medians of the client's own times, of {count(document.settings.num_rounds)} rounds of the four modes in"
        f" random order.{better if document.is_matched else ''}"
    )
    served = " and ".join(f"{count(each.num_images)} of {each.model}" for each in document.served if each.num_images)
    yield f"Images served: {served}. Quality: {quality_text(document)}."
    for source in document.cpu_sources:
        if not source.is_known:
            yield f"CPU time of the {source.process}: not known: {source.note}."
    if document.foreign:
        yield (
            f"The foreign server ({document.foreign.address}) is asked for text, not for images: what matches is the"
            " number of tokens. Its queue, its phases and its CPU time are not known."
        )
    yield audit_text(document.audits)
    yield from caveats(document)


def quality_text(document: Comparison) -> str:
    """Return what quality was measured of, or why it was not."""
    found = next((each.quality for each in document.served if each.quality is not None), None)
    if found is None:
        return f"not measured: {document.judgement.reason or NONE}"
    return (
        f"of {count(found.model.num_images)} images of each model, the same number of each class; FID is extrapolated"
        " to infinitely many"
    )


def caveats(document: Comparison) -> Iterator[str]:
    """Yield what a reader has to know."""
    modes = document.modes
    if document.is_local:
        yield LOCAL
    points = [(f"{mode.name} with {each.concurrency} callers", each) for mode in modes for each in mode.curve]
    if busy := [name for name, each in points if each.client_cpu_share > _MAX_CLIENT_CPU_SHARE]:
        yield f"The client itself was the limit, above {_MAX_CLIENT_CPU_SHARE:.0%} of a core: {', '.join(busy)}."
    refused = sum(mode.codes.get("RESOURCE_EXHAUSTED", 0) for mode in modes)
    if refused:
        yield f"{refused:,} requests were refused because a queue was full; their callers asked again 0.1 s later."
    num_rounds = max((len(each.trials) for _, each in points), default=0)
    if any(each.images_per_second.method == "range" for _, each in points):
        yield f"Ranges are the least and the greatest of {num_rounds} rounds, not confidence intervals."
