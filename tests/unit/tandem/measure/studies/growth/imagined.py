"""Streams of a server whose step time is known, and the document that a measurement of it comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tandem.measure.results.growth import TEXTS, Growth, Server, Settings
from tandem.measure.studies.growth.growth import GrowthStudy, growth_document
from tandem.measure.studies.growth.streams import Together, figures_of
from tests.unit.tandem.measure.records import record, row
from tests.unit.tandem.measure.studies.comparison.seen import model

SERVERS = (Server(label="sequential", address="127.0.0.1:1"), Server(label="drafts", address="127.0.0.1:2"))
SHARED_SECONDS, OWN_SECONDS = 0.006, 0.001
TOKEN_CONTEXT_SECONDS = 1e-6
PREFILL_TOKENS_PER_SECOND = 2_000.0


WORK: dict[str, Any] = {"modality": "text", "num_classes": 0, "image_shape": (), "device": "cpu", "dtype": "int4"}
MODEL = model("sequential", "imagined-text", max_context_tokens=2048, vocab_size=384, **WORK)


class Stream(NamedTuple):
    """When it was sent; the times of its messages, how many tokens each brought, and which."""

    sent: float
    times: Sequence[float]
    counts: Sequence[int]
    token_ids: Sequence[int]


def at_once(streams: Sequence[Stream]) -> Together:
    rows = [row(number, one.sent, one.times[-1] - one.sent) for number, one in enumerate(streams)]
    messages = [
        (number, at, count)
        for number, one in enumerate(streams)
        for at, count in zip(one.times, one.counts, strict=True)
    ]
    return Together(figures_of(record(rows, messages)), [one.token_ids for one in streams])


def stream(first_seconds: float, gap_seconds: float, counts: Sequence[int], first_id: int = 0) -> Stream:
    """Return a stream sent at 0."""
    times = [first_seconds + gap_seconds * place for place in range(len(counts))]
    return Stream(0.0, times, list(counts), list(range(first_id, first_id + sum(counts))))


def several(number: int, seconds: float, num_tokens: int = 64, tokens_a_step: int = 1) -> list[Stream]:
    """Return streams whose first tokens come one after another."""
    counts = [1, *[tokens_a_step] * ((num_tokens - 1) // tokens_a_step)]
    return [stream(0.05 + 0.001 * place, seconds, counts) for place in range(number)]


def step_seconds(number: float) -> float:
    return SHARED_SECONDS + OWN_SECONDS * number


def findings(settings: Settings, step: Callable[[float], float] = step_seconds, num_rounds: int = 3) -> GrowthStudy:
    """Return rounds of which each is some percent slower than the one before."""
    found = GrowthStudy(sources=(), settings=settings)
    for number in range(num_rounds):
        slower = 1.0 + 0.02 * number
        for streams in settings.concurrencies:
            found.seen["streams", streams].append([at_once(several(streams, step(streams) * slower))])
        for tokens in settings.contexts:
            gap = (step(1) + TOKEN_CONTEXT_SECONDS * tokens) * slower
            first = (0.01 + tokens / PREFILL_TOKENS_PER_SECOND) * slower
            found.seen["context", tokens].append([at_once([stream(first, gap, [1] * settings.context_new_tokens)])])
        for text in TEXTS:
            for streams in settings.draft_concurrencies:
                many = 3 if text == "repeats itself" else 1
                pair = (several(streams, step(streams) * slower), several(streams, step(streams + 2), 64, many))
                found.seen[text, streams].append([at_once(one) for one in pair])
    return found


def document(study: GrowthStudy | None = None, problem: str = "") -> Growth:
    """Return the document of a study, by default of the usual settings."""
    study = study or findings(Settings())
    study.stop_reason = problem
    return growth_document(SERVERS, MODEL, study)
