"""Finding stop strings in text that arrives in pieces."""


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
        return self._take(len(self._held) - self._num_held_back())

    def flush(self) -> str:
        """Return what was held back; the text has ended."""
        return self._take(len(self._held))

    def _take(self, length: int, drop_rest: bool = False) -> str:
        taken, self._held = self._held[:length], "" if drop_rest else self._held[length:]
        return taken

    def _num_held_back(self) -> int:
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-length:]) for stop in self._stops):
                return length
        return 0
