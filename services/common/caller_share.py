"""How much of a bounded queue one caller may hold, and each of its connections."""

from collections import Counter

from runtime.rpc.metadata import connection_of


class CallerCounts:
    """Counts what callers hold, by their connections. `share` of `whole` is one caller's.

    A connection that holds less than an equal part of its caller's share may go beyond the share, up to half of what
    that leaves: neither a program that floods one connection nor one that opens fifty keeps out the others on its host.
    """

    def __init__(self, share: int, whole: int) -> None:
        self.share = share
        self.whole = whole
        self.of_caller: Counter[str] = Counter()  # no entry for 0
        self._of_connection: dict[str, Counter[str]] = {}  # of each caller in `of_caller`; no entry for 0

    def add(self, caller: str, count: int) -> None:
        """Note that the caller holds so many more, or fewer if it is negative."""
        connections, own = self._of_connection.get(caller), connection_of(caller)
        if connections is None:
            connections = self._of_connection[caller] = Counter()
        connections[own] += count
        self.of_caller[caller] += count
        if not connections[own]:
            del connections[own]
        if not self.of_caller[caller]:
            del self.of_caller[caller], self._of_connection[caller]

    def of_connections(self, caller: str) -> Counter[str]:
        """Return what each of a caller's connections holds."""
        return self._of_connection.get(caller) or Counter()

    def room(self, caller: str) -> int:
        """Return how many more the caller may hold, by this connection; it may be below 0."""
        connections, own = self.of_connections(caller), connection_of(caller)
        has_less = own != "" and connections[own] * max(1, len(connections)) < self.share
        most = (self.share + self.whole) // 2 if has_less else self.share
        return most - self.of_caller[caller]
