"""Between one output a pass of the model and all in one pass: the modes of generating, on one scale.

Texts and images are different workloads, so each mode is compared with the sequential one of its own workload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tandem.measure.formats import counted
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.growth import DraftPoint, Growth, Text
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.studies.growth.texts import TEXTS

Kind = Literal["sequential", "drafts, text that repeats itself", "drafts, new text", "parallel"]
_WITH_DRAFTS: dict[Text, Kind] = {"repeats itself": "drafts, text that repeats itself", "new": "drafts, new text"}


_ONE = Value(value=1.0, count=1)


@dataclass(frozen=True)
class GenerationMode:
    """`outputs_per_pass`: tokens that a pass of the model brings to one request, in the mean; of an image that is
    drawn in one pass, the tokens that the sequential model needs for one. `speed`: relative to the sequential mode.
    """

    kind: Kind
    name: str
    workload: str
    outputs_per_pass: float
    speed: Value


def modes_between(growth: Growth, comparison: Comparison | None) -> list[GenerationMode]:
    """Return the modes that were measured; without drafts there is nothing between, and so nothing to show."""
    if not growth.drafts:
        return []
    texts = [mode for point in growth.drafts for mode in _text_modes(point)]
    return [*texts, *([] if comparison is None else _image_modes(comparison))]


def _text_modes(point: DraftPoint) -> list[GenerationMode]:
    workload = f"{TEXTS[point.text]}, {counted(point.concurrency, 'stream')}"
    first, *others = point.results
    modes = [GenerationMode("sequential", "sequential", workload, first.tokens_per_message.value, _ONE)]
    for result in others:
        name, tokens = f"sequential, {result.server.label}", result.tokens_per_message.value
        kind = _WITH_DRAFTS[point.text]
        modes.append(GenerationMode(kind, name, workload, tokens, result.ratio))
    return modes


def _image_modes(comparison: Comparison) -> list[GenerationMode]:
    """Return the two modes of making an image, asked for alone; none if the comparison does not hold both."""
    steps = next((model.tokens_per_image for model in comparison.models if model.tokens_per_image), None)
    waits: dict[Paradigm, float] = {
        mode.paradigm: mode.alone.latency.p50.value
        for mode in comparison.modes
        if mode.delivery == "unary" and mode.alone is not None and mode.alone.latency.p50 is not None
    }
    if steps is None or len(waits) < 2:
        return []
    speed = waits["sequential"] / waits["parallel"]
    return [
        GenerationMode("sequential", "sequential", "an image, alone", 1.0, _ONE),
        GenerationMode("parallel", "parallel", "an image, alone", steps, Value(value=speed, count=1)),
    ]
