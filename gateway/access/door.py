"""The way in of a request, over whichever transport: whose it is, and whether their budget has room for it."""

import logging
from typing import Protocol

from gateway.access.access import Access, Caller
from runtime.errors import OverBudget, Unauthenticated
from runtime.routes import Route

logger = logging.getLogger(__name__)


class Refusals(Protocol):
    """Told of each request that a budget does not allow."""

    def over_budget(self, paradigm: str, budget: str) -> None: ...


class Door:
    """Admits requests of those whom `access` knows, and tells `refusals` of those whose budget is used up."""

    def __init__(self, access: Access, refusals: Refusals) -> None:
        self._access = access
        self._refusals = refusals

    def identify(self, secret: str | None) -> Caller:
        """Return whose key it is. Raises Unauthenticated."""
        return self._access.identify(secret)

    def admit(self, route: Route, secret: str | None) -> Caller:
        """Return whose key it is, and take one request from their budget. Raises Unauthenticated, OverBudget."""
        try:
            caller = self._access.identify(secret)
        except Unauthenticated:
            logger.debug("%s by nobody known", route.path)
            raise
        logger.debug("%s by %s", route.path, caller.name)
        try:
            caller.budgets.take_request(route.units)
        except OverBudget as error:
            self._refusals.over_budget(route.paradigm, error.unit)
            raise
        return caller
