"""Who may come in, and how much each may have: the first thing that happens to a request, before its message is read.

Independent of the transport: it gets a key, and raises tandem.shared.errors.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.access.api_keys import ApiKey, find
from gateway.access.budget import IMAGE, Budgets
from runtime.rpc.routes import Route
from tandem.shared.errors import OverBudget, Unauthenticated

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Caller:
    """A caller who may call: a name for the log, the identifier that backends get, and budgets.

    `identifier` is empty where no keys are asked for.
    """

    name: str
    identifier: str
    budgets: Budgets


class Access:
    """Accepts callers who have one of `keys`; without keys it accepts everybody. `clock` returns seconds.

    `over_budget` is called with paradigm and unit for each request that a budget does not allow.
    """

    def __init__(
        self,
        keys: Sequence[ApiKey],
        over_budget: Callable[[str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._over_budget = over_budget
        callers = [Caller(key.name, key.caller_id(), Budgets(key.per_minute(), clock)) for key in keys]
        self._by_name = {caller.name: caller for caller in callers}
        self._by_identifier = {caller.identifier: caller for caller in callers}
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
        return self._by_name[key.name]

    def admit_known(self, route: Route, caller_id: str) -> None:
        """Take one request from the budget of a caller who was identified before. Raises Unauthenticated, OverBudget.

        `caller_id` is the identifier that Envoy passes on for the key; it is empty where keys are off.
        """
        caller = self._find_caller(caller_id)
        logger.debug("%s by %s", route.path, caller.name)
        with self._note_refusal(route):
            caller.budgets.take_request(route.units)

    def check_known(self, route: Route, caller_id: str) -> None:
        """Raise what `admit_known` would, and take nothing: for what is to be read before it is known what it costs."""
        with self._note_refusal(route):
            self._find_caller(caller_id).budgets.check_request(route.units)

    def _find_caller(self, caller_id: str) -> Caller:
        caller = self._by_identifier.get(caller_id) if self._keys else self._anybody
        if caller is None:
            raise Unauthenticated
        return caller

    @contextlib.contextmanager
    def _note_refusal(self, route: Route) -> Iterator[None]:
        try:
            yield
        except OverBudget as error:
            self._over_budget(route.paradigm, error.unit)
            raise

    def charge(self, caller_id: str, route: Route, num_outputs: int, num_images: int) -> None:
        """Charge what a request has put out: units of the route, and the images that were made of its tokens.

        A caller without a key, or with one that is gone, owes nothing.
        """
        caller = self._by_identifier.get(caller_id)
        if caller is None:
            return
        if route.unit is not None and num_outputs:
            caller.budgets.charge(route.unit, num_outputs)
        if num_images:
            caller.budgets.charge(IMAGE, num_images)
