"""The end of one request, whatever its transport: every way out becomes one code, one record, one public error.

Knows nothing of how the client is told.
"""

import logging

from gateway.door import Caller, Door
from gateway.metrics import GatewayMetrics
from gateway.observation import Observation
from runtime.deadlines import Deadline
from runtime.errors import Internal, OverBudget, TandemError
from runtime.routes import Route
from runtime.rpc import code_of

logger = logging.getLogger(__name__)


class Answer:
    """A request under way; `end` is called exactly once."""

    def __init__(self, route: Route, transport: str, deadline: Deadline, metrics: GatewayMetrics) -> None:
        self.deadline = deadline
        self.observation = Observation(route, transport)
        self._metrics = metrics
        self._name = "nobody known"

    def admit(self, door: Door, secret: str | None) -> Caller:
        """Return whose request it is. Raises Unauthenticated, OverBudget."""
        route, self.observation.turned_away = self.observation.route, True
        caller = door.identify(secret)
        self._name = caller.name
        try:
            caller.take_request(route)
        except OverBudget as error:
            self._metrics.over_budget(route.paradigm, error.unit)
            raise
        self.observation.turned_away = False
        return caller

    def end(self, error: BaseException | None) -> str:
        """Record that the request ended, with `error` or well; return the code that the client shall see."""
        seen = self.observation
        seen.ended()
        code = code_of(error, self.deadline)
        self._metrics.record(seen, code)
        logger.debug(
            "%s over %s by %s %s %.6f s", seen.route.path, seen.transport, self._name, code, seen.total_seconds
        )
        return code

    def public(self, error: BaseException) -> TandemError:
        """Return what the client may know of `error`; the log gets the rest."""
        if isinstance(error, TandemError):
            return error
        logger.error("%s failed", self.observation.route.path, exc_info=error)
        return Internal()

    def seconds(self) -> tuple[tuple[str, str], ...]:
        """Return the gateway's own share and the total of the ended request, as trailers or headers."""
        return (
            ("tandem-gateway-seconds", f"{self.observation.gateway_seconds:.6f}"),
            ("tandem-total-seconds", f"{self.observation.total_seconds:.6f}"),
        )
