"""Rounds of two services whose figures are known, alone and together, and the document that they come to."""

from __future__ import annotations

from typing import Any

import numpy as np

from tandem.measure.results.colocation import Colocation, Load, Settings
from tandem.measure.scenario import Workload
from tandem.measure.studies.colocation import Round, Window, pairings_of
from tandem.measure.studies.study import Study
from tests.unit.tandem.measure.studies.comparison.seen import PAIR, model

IMAGE, TEXT, IMAGES = (
    Load(
        workload=Workload(kind=kind, delivery=delivery, model=name),
        capacity_per_second=capacity,
        source=None if capacity is None else "open loops",
    )
    for kind, delivery, name, capacity in (
        ("image", "streamed", "ar", 100.0),
        ("text", "streamed", "lm", None),
        ("images", "unary", "gan", 1_000.0),
    )
)
SECONDS = 2.0


def seen(latency: float, gap: float = 0.0, **given: Any) -> Window:
    """Return 100 requests, the last of which took three times as long, and as many gaps of a token each."""
    latencies = np.array([latency] * 98 + [3 * latency] * 2)
    gaps = np.full(100, gap) if gap else np.empty(0)
    usual: dict[str, Any] = {"num_images": 100, "num_requests": 100, "num_failed": 0, "grows": False}
    return Window(seconds=SECONDS, latencies=latencies, gaps=gaps, num_gap_tokens=len(gaps), **(usual | given))


def rounds(count: int = 4, **beside: Any) -> list[Round]:
    """Return rounds of which each is a percent slower than the one before. Beside the other service, everything takes
    twice as long in sequence, and one and a half times in parallel.
    """
    found: list[Round] = []
    for number in range(count):
        slower = 1.0 + 0.01 * number
        text, image, images = ((0.4 * slower, 0.01 * slower), (0.02 * slower, 1e-3 * slower), (0.004 * slower, 0.0))
        found.append(
            {
                (IMAGE,): [seen(*image)],
                (TEXT,): [seen(*text)],
                (IMAGES,): [seen(*images)],
                (IMAGE, IMAGES): [seen(2 * image[0], 2 * image[1]), seen(1.5 * images[0], **beside)],
                (TEXT, IMAGES): [seen(2 * text[0], 2 * text[1]), seen(1.5 * images[0], **beside)],
            }
        )
    return found


def document(found: list[Round] | None = None, problem: str = "") -> Colocation:
    models = (*PAIR.models, model("sequential", "lm", modality="text"))
    return Colocation(
        **Study(stop_reason=problem).header("127.0.0.1:1", models),
        settings=Settings(),
        pairings=tuple(pairings_of(rounds() if found is None else found)),
    )
