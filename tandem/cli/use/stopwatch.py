"""The client's own clock over one stream, and the line that is printed when it has ended: how much, how fast, where the
time went.
"""

import time

from tandem.client import GenerateChunk, Timings
from tandem.measure import formats


class Stopwatch:
    """Starts when created, in monotonic seconds; called for each message that carries tokens."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._first = 0.0
        self._last = 0.0
        self._num_first_tokens = 0
        self.num_tokens = 0

    def tokens(self, count: int) -> None:
        """Note a message that carries `count` tokens; one without is no output."""
        if count == 0:
            return
        self._last = time.monotonic()
        if self.num_tokens == 0:
            self._first, self._num_first_tokens = self._last, count
        self.num_tokens += count

    def texts(self) -> list[str]:
        """Return how long the first message with tokens took, and how many tokens a second came after it."""
        num_later, seconds = self.num_tokens - self._num_first_tokens, self._last - self._first
        first = [f"first token {formats.seconds(self._first - self._started)}"] if self.num_tokens else []
        return first + ([f"{num_later / seconds:.1f} tokens/s after it"] if num_later and seconds > 0 else [])

    def total_seconds(self) -> float:
        """From the start until now."""
        return time.monotonic() - self._started


def generation_summary(last: GenerateChunk, stopwatch: Stopwatch, is_full: bool = False) -> str:
    """Return the line; `last` is the stream's last chunk. `is_full`: with the phases and how it ended, too."""
    parts = [formats.quantity(last.usage.output_tokens if last.usage else stopwatch.num_tokens, "token")]
    parts += stopwatch.texts()
    if is_full and last.timings is not None:
        parts += phase_texts(last.timings, "queue", "prefill", "decode", "encode")
    if last.usage is not None:
        if last.usage.drafted_tokens:
            parts.append(f"{last.usage.accepted_tokens} of {last.usage.drafted_tokens} tokens tried ahead held")
        parts.append(f"seed {last.usage.seed}")
    if is_full and last.finish_reason is not None:
        parts.append(f"ended by {last.finish_reason}")
    return " · ".join(parts)


def phase_texts(timings: Timings, *phases: str) -> list[str]:
    """Return what each of these phases took."""
    seconds = {phase: getattr(timings, f"{phase}_seconds") for phase in phases}
    return [f"{phase.replace('_', ' ')} {formats.seconds(value)}" for phase, value in seconds.items()]
