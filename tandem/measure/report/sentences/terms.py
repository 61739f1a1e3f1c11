"""On what terms two models were compared: what each computed in, on how many threads, and what equal terms give."""

from tandem.measure.formats import number, rounded
from tandem.measure.results.comparison import ALONE, Comparison, Contrast
from tandem.measure.results.header import ServedModel


def terms(document: Comparison) -> str:
    """Return what each model computed in, and the ratios of the pair in one precision; empty if it is not known."""
    if not all(model.dtype and model.num_instances for model in document.models):
        return ""
    text = f"As served, {' and '.join(map(_form, document.models))}."
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
        "" if not rate else f"{rounded(1 / rate)} times as few images a second with {most} callers",
    ]
    told = ", ".join(filter(None, known))
    forms = " and ".join(map(_form, beside.models))
    return f"{text} In one precision ({forms}) it is {told}." if told else text


def _form(model: ServedModel) -> str:
    threads = number((model.num_instances or 0) * (model.threads_per_instance or 0))
    return f"{model.name} computes in {model.dtype} on {threads} thread{'s' * (threads != '1')}"


def _ratio(contrasts: tuple[Contrast, ...], concurrency: int, metric: str) -> float | None:
    found = (each.ratio for each in contrasts if (each.concurrency, each.metric) == (concurrency, metric))
    return next((ratio.value for ratio in found if ratio is not None), None)
