"""Texts that end an output: found in what comes in parts, and what may be their beginning held back."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Passes text on, held back as long as it may be the beginning of a stop string."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.matched: str | None = None
        """The stop string that was met; nothing may be fed after that."""

    def feed(self, text: str) -> str:
        """Return the text that is certain to stand before any stop string."""
        if not self._stops:
            return text
        self._held += text
        matches = [(self._held.find(stop), stop) for stop in self._stops if stop in self._held]
        if matches:
            place, self.matched = min(matches, key=lambda match: match[0])
            return self._take(place, drop_rest=True)
        return self._take(len(self._held) - num_held_back(self._held, self._stops))

    def flush(self) -> str:
        """Return what was held back; the text has ended."""
        return self._take(len(self._held))

    def _take(self, length: int, drop_rest: bool = False) -> str:
        taken, self._held = self._held[:length], "" if drop_rest else self._held[length:]
        return taken


def num_held_back(text: str, stops: Sequence[str]) -> int:
    """Return how many characters at the end of a text may be the beginning of a stop string."""
    longest = max((len(stop) for stop in stops), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(stop.startswith(text[-length:]) for stop in stops):
            return length
    return 0
