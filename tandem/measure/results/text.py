"""One text model asked for 1, 2, ... tokens a step, and as the server drafts and checks: what each brings and costs by
the number of callers, and at how many callers it stops paying.
"""

from typing import Annotated, Literal

from pydantic import Field

from tandem.measure.results.comparison import ALONE, CpuSource, Point
from tandem.measure.results.crossover import FittedCurve
from tandem.measure.results.header import Header
from tandem.measure.results.value import Part, Repeated, Value
from tandem.measure.scenario import Seconds

Callers = Annotated[int, Field(ge=1, le=1024)]
CHECKED_GAIN = 1.05
"""Checked mode pays while its tokens/s are at least this multiple of those of K = 1. Under load the server drafts less
and less, so the ratio comes near 1 and stays there. K > 1 pays while its tokens/s are at least those of K = 1.
"""


class Settings(Part):
    """What was asked for: texts of `new_tokens`; each caller asks again as soon as it has an answer. Every round has
    each mode once at each number of callers. A round but the first begins only if it would end within `most_seconds`,
    judged by those before. The prediction knows `fitted_at` alone, and is checked at the other numbers.
    `context_tokens` of each held text are given where bits are told.
    """

    model: str = ""
    tokens_per_step: Annotated[tuple[Callers, ...], Field(min_length=1)] = (1, 2, 3, 4, 8)
    concurrencies: Annotated[tuple[Callers, ...], Field(min_length=2)] = (1, 2, 4, 8, 16, 32, 64)
    fitted_at: tuple[Callers, ...] = (1, 4, 16)
    new_tokens: int = Field(64, ge=2)
    context_tokens: int = Field(8, ge=1)
    num_rounds: int = Field(3, ge=1, le=1000)
    most_seconds: Seconds = 420.0
    trial_seconds: Seconds = 1.5
    confidence: float = 0.95
    seed: int = Field(1, ge=0, lt=2**62)


class Limit(Part):
    """Up to how many `callers` a mode pays. never: not even with the fewest; always: still with the most, and `callers`
    is that number.
    """

    kind: Literal["never", "stops", "always"]
    callers: float


class TextMode(Part):
    """`tokens_per_step` None: checked, the server drafts as it likes. An "image" in the figures of `curve` is a text;
    beside those of a comparison they have tokens_per_second (of all callers), cpu_seconds_per_token, ratio (of tokens/s
    to those of a token a step in the same rounds), tokens_per_step (of a text, its prompt's steps left out of neither)
    and rows_per_step (of a sequence); the last two only where the server's counters are known.

    `predicted`: tokens/s by callers, of those numbers that the prediction has not seen. `bits`: of the held text.
    """

    name: str
    tokens_per_step: int | None
    curve: tuple[Point, ...]
    predicted: dict[int, float] = {}
    predicted_limit: Limit | None = None
    measured_limit: Limit | None = None
    bits_per_token: Value | None = None
    bits_per_byte: Value | None = None

    @property
    def least_gain(self) -> float:
        """Of the tokens/s of a token a step, where the mode pays."""
        return CHECKED_GAIN if self.tokens_per_step is None else 1.0

    @property
    def alone(self) -> dict[str, Repeated]:
        """The figures with one caller; none if no round had all modes."""
        return next((point.figures for point in self.curve if point.concurrency == ALONE), {})

    @property
    def miss(self) -> float | None:
        """By which factor the predicted number of callers lies beside the measured one, >= 1; None: not known."""
        if self.predicted_limit is None or self.measured_limit is None:
            return None
        ratio = self.predicted_limit.callers / self.measured_limit.callers
        return max(ratio, 1 / ratio)


class TextStudy(Header):
    """One measurement of `models[0]`. `step`: seconds of a step over its rows, of all modes at the fitted loads, as
    sequences saw it, each of which counts as `sequence_rows` more: what sampling and a message cost; None where that is
    not known. `num_scored`: tokens whose bits were told. `reason`: why there is no
    prediction; empty if there is one.
    """

    kind: Literal["text"] = "text"
    seconds: float
    settings: Settings
    modes: tuple[TextMode, ...]
    step: FittedCurve | None = None
    sequence_rows: float = 0.0
    reason: str = ""
    num_scored: int = 0
    cpu_sources: tuple[CpuSource, ...] = ()
