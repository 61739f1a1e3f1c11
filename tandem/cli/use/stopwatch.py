"""The client's own clock over one stream: when it began, its first output and its last. Monotonic seconds."""

import time


class Stopwatch:
    """Starts when created; called for each message that carries tokens."""

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

    @property
    def first_output_seconds(self) -> float | None:
        """From the start to the first message with tokens."""
        return self._first - self._started if self.num_tokens else None

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens after the first message's, a second between the first message and the last."""
        num_later, seconds = self.num_tokens - self._num_first_tokens, self._last - self._first
        return num_later / seconds if num_later and seconds > 0 else None

    def total_seconds(self) -> float:
        """From the start until now."""
        return time.monotonic() - self._started
