"""Who may come in, and how much each may have: the first thing that happens to a request, before its message is read.

Knows no transport: it is told a key, and raises runtime.errors.
"""

import time
from collections.abc import Callable, Sequence

from gateway.api_keys import ApiKey, find
from gateway.budget import IMAGE, Budgets
from runtime.caller import CALLER_METADATA
from runtime.errors import Unauthenticated
from runtime.routes import Route


class Caller:
    """Somebody who was let in: a name for the log, budgets, and the metadata that tells backends who calls."""

    def __init__(self, name: str, budgets: Budgets, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self.name = name
        self.metadata = metadata
        self._budgets = budgets

    def take_request(self, route: Route) -> None:
        """Take a request from the budgets. Raises OverBudget."""
        self._budgets.take_request(route.units)

    def charge(self, route: Route, num_outputs: int, num_pictures: int) -> None:
        """Charge what has gone out: units of the route, and the pictures that a sequential model made of its tokens."""
        if route.unit is not None and num_outputs:
            self._budgets.charge(route.unit, num_outputs)
        if num_pictures:
            self._budgets.charge(IMAGE, num_pictures)


class Door:
    """Lets in who has one of `keys`; where there are none, everybody. `clock` tells seconds."""

    def __init__(self, keys: Sequence[ApiKey], clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._callers = {key.name: _caller(key, clock) for key in keys}
        self._anybody = Caller("anybody", Budgets({}, clock))

    def identify(self, secret: str | None) -> Caller:
        """Return whose key it is. Raises Unauthenticated."""
        if not self._keys:
            return self._anybody
        key = find(self._keys, secret) if secret else None
        if key is None:
            raise Unauthenticated
        return self._callers[key.name]


def _caller(key: ApiKey, clock: Callable[[], float]) -> Caller:
    return Caller(key.name, Budgets(key.per_minute(), clock), ((CALLER_METADATA, key.caller_id()),))
