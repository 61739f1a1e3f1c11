"""Who may come in, and how much each may have: the first thing that happens to a request, before its message is read.

Knows no transport: it is told a key, and raises runtime.errors.
"""

import time
from collections.abc import Callable, Sequence

from gateway.access.api_keys import ApiKey, find
from gateway.access.budget import IMAGE, Budgets
from runtime.errors import Unauthenticated
from runtime.routes import Route


class Caller:
    """Somebody who was let in: a name for the log, the identifier that backends are told, and budgets.

    `identifier` is empty where no keys are asked for.
    """

    def __init__(self, name: str, identifier: str, budgets: Budgets) -> None:
        self.name = name
        self.identifier = identifier
        self.budgets = budgets


class Access:
    """Knows the callers who have one of `keys`; where there are none, everybody is one. `clock` tells seconds."""

    def __init__(self, keys: Sequence[ApiKey], clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._callers = {key.name: Caller(key.name, key.caller_id(), Budgets(key.per_minute(), clock)) for key in keys}
        self._by_identifier = {caller.identifier: caller for caller in self._callers.values()}
        self._anybody = Caller("anybody", "", Budgets({}, clock))

    @property
    def asks_for_keys(self) -> bool:
        return bool(self._keys)

    def identify(self, secret: str | None) -> Caller:
        """Return whose key it is. Raises Unauthenticated."""
        if not self._keys:
            return self._anybody
        key = find(self._keys, secret) if secret else None
        if key is None:
            raise Unauthenticated
        return self._callers[key.name]

    def charge(self, caller_id: str, route: Route, num_outputs: int, num_pictures: int) -> None:
        """Charge what a request has put out: units of the route, and the pictures that were made of its tokens.

        A caller without a key, or with one that is gone, owes nothing.
        """
        caller = self._by_identifier.get(caller_id)
        if caller is None:
            return
        if route.unit is not None and num_outputs:
            caller.budgets.charge(route.unit, num_outputs)
        if num_pictures:
            caller.budgets.charge(IMAGE, num_pictures)
