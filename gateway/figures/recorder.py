"""Each log entry becomes one record in the metrics, at once or when its backend has told what it served."""

from __future__ import annotations

import logging
from typing import Protocol

from envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry

from gateway.figures.entry import Entry, read_entry
from gateway.figures.metrics import GatewayMetrics
from gateway.figures.observation import UNKNOWN_MODEL, observe
from runtime.routes import Route, all_routes
from tandem.common.v1.served_pb2 import Served

logger = logging.getLogger(__name__)

MAX_MODELS = 100
"""Names that become labels; backends choose them, and one gone wrong must not fill Prometheus."""


class Ledger(Protocol):
    """What the figures need of budgets: to be told what each caller has had."""

    def charge(self, caller_id: str, route: Route, num_outputs: int, num_pictures: int) -> None:
        """Charge what has gone out to the caller: units of the route, and the pictures made of its tokens.

        Called once a request, after its end; an identifier that is not known is nobody's.
        """


class Recorder:
    """Counts entries, and tells the ledger what each caller had."""

    def __init__(self, metrics: GatewayMetrics, ledger: Ledger | None = None) -> None:
        self._metrics = metrics
        self._ledger = ledger
        self._routes = {route.path: route for route in all_routes()}
        self._models: set[str] = set()

    def record(self, entry: Entry, served: Served | None) -> None:
        """Count an entry with what its backend served; methods that there are not are not counted."""
        route = self._routes.get(entry.path)
        if route is None:
            return
        seen = observe(entry, route, self._label(served), served)
        self._metrics.record(seen)
        if self._ledger is not None and entry.caller and (seen.num_outputs or seen.num_pictures):
            self._ledger.charge(entry.caller, route, seen.num_outputs, seen.num_pictures)

    def _label(self, served: Served | None) -> str:
        name = served.model if served is not None else ""
        if name in self._models:
            return name
        if not name or len(self._models) >= MAX_MODELS:
            return UNKNOWN_MODEL
        self._models.add(name)
        return name


class Late(Protocol):
    """Takes entries of calls of which the log does not tell what they were served."""

    def take(self, entry: Entry) -> bool:
        """Return whether the entry will be recorded later; if not, the one who asks does it now."""


class Sorter:
    """Reads entries, and sends each to the recorder: those whose backend has more to tell by way of `late`."""

    def __init__(self, recorder: Recorder, late: Late) -> None:
        self._recorder = recorder
        self._late = late

    def take(self, raw: HTTPAccessLogEntry) -> None:
        """Take an entry; what is wrong with one must not lose the others."""
        try:
            entry = read_entry(raw)
            if entry.served is None and entry.asked_seconds and entry.upstream and self._late.take(entry):
                return
            self._recorder.record(entry, entry.served)
        except Exception:
            logger.exception("an entry of the log cannot be counted")
