"""On what terms two models were compared: what each computed in, on how many threads, and what equal terms give."""

from tandem.measure.formats import counted, rounded
from tandem.measure.results.comparison import ALONE, Comparison, Contrast
from tandem.measure.results.header import ServedModel


def terms(document: Comparison) -> str:
    """Return what each model computed in, and the ratios of the pair in one precision; empty if it is not known."""
    if not all(model.dtype and model.num_instances for model in document.models):
        return ""
    text = f"As served, {_forms(document.models)}."
    beside = document.beside
    if beside is None:
        return text
    most = max(document.settings.concurrencies)
    wait = _ratio(beside.contrasts, ALONE, "latency_p50_seconds")
    cpu = _ratio(beside.contrasts, most, "cpu_seconds_per_image")
    rate = _ratio(beside.contrasts, most, "images_per_second")
    known = [
        "" if wait is None else f"{rounded(wait)} times the wait",
        "" if cpu is None else f"{rounded(cpu)} times the CPU",
        "" if not rate else f"1/{rounded(1 / rate)} of the images a second with {most} callers",
    ]
    told = ", ".join(filter(None, known))
    return f"{text} Where {_forms(beside.models)}, sequence costs {told}." if told else text


def _forms(models: tuple[ServedModel, ...]) -> str:
    first, *others = (
        f"in {model.dtype} on {counted((model.num_instances or 0) * (model.threads_per_instance or 0), 'thread')}"
        for model in models
    )
    if others == [first]:
        return f"both compute {first} each"
    return " and ".join(f"{model.name} computes {form}" for model, form in zip(models, (first, *others), strict=True))


def _ratio(contrasts: tuple[Contrast, ...], concurrency: int, metric: str) -> float | None:
    found = (each.ratio for each in contrasts if (each.concurrency, each.metric) == (concurrency, metric))
    return next((ratio.value for ratio in found if ratio is not None), None)
