"""Streams of a server whose step time is known, and the document that a measurement of it comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tandem.measure.results.growth import Growth, Settings
from tandem.measure.studies.growth import Figures, GrowthStudy, figures_of, growth_document
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.comparison.seen import model

SHARED_SECONDS, OWN_SECONDS = 0.006, 0.001
TOKEN_CONTEXT_SECONDS = 1e-6
PREFILL_TOKENS_PER_SECOND = 2_000.0
NOBODY: Any = None
WORK: dict[str, Any] = {"modality": "text", "num_classes": 0, "image_shape": (), "device": "cpu", "dtype": "int4"}
MODEL = model("sequential", "imagined-text", max_context_tokens=2048, vocab_size=384, **WORK)


Stream = Sequence[tuple[float, int]]
"""When its messages came, and how many tokens each brought; it was sent at 0."""


def at_once(*streams: Stream) -> Figures:
    rows = [row(number, 0.0, one[-1][0]) for number, one in enumerate(streams)]
    return figures_of(record(rows, [(number, *message) for number, one in enumerate(streams) for message in one]))


def stream(first_seconds: float, gap_seconds: float, num_tokens: int) -> Stream:
    return [(first_seconds + gap_seconds * place, 1) for place in range(num_tokens)]


def several(number: int, seconds: float) -> list[Stream]:
    """Return streams whose first tokens come one after another."""
    return [stream(0.05 + 0.001 * place, seconds, 64) for place in range(number)]


def step_seconds(number: float) -> float:
    return SHARED_SECONDS + OWN_SECONDS * number


def findings(settings: Settings, step: Callable[[float], float] = step_seconds, num_rounds: int = 3) -> GrowthStudy:
    """Return rounds of which each is some percent slower than the one before."""
    found = GrowthStudy(source=NOBODY, settings=settings)
    for number in range(num_rounds):
        slower = 1.0 + 0.02 * number
        for streams in settings.concurrencies:
            found.seen["streams", streams].append(at_once(*several(streams, step(streams) * slower)))
        for tokens in settings.contexts:
            gap = (step(1) + TOKEN_CONTEXT_SECONDS * tokens) * slower
            first = (0.01 + tokens / PREFILL_TOKENS_PER_SECOND) * slower
            found.seen["context", tokens].append(at_once(stream(first, gap, settings.context_new_tokens)))
    return found


def document(study: GrowthStudy | None = None, problem: str = "") -> Growth:
    """Return the document of a study, by default of the usual settings."""
    study = study or findings(Settings())
    study.stop_reason = problem
    return growth_document("127.0.0.1:1", MODEL, study)
