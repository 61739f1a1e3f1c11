"""The parts of a request's time one after another, as far as their order is known: the children of its span."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from gateway.figures.log_entry import Times
from gateway.figures.observation import SOCKETS, Observation, is_sent_slowly
from tandem.shared.metrics import BACKEND_PHASES

GATEWAY, RESIDUAL = "gateway", "residual"
BACKEND = "backend"
"""All that is not the gateway's, of a request whose backend has reported no phases."""

_IN_ORDER = (*BACKEND_PHASES, "backend_other")
_NANOSECONDS = 1_000_000_000


class Part(NamedTuple):
    """A phase as the metrics name it; the instants are nanoseconds since 1970."""

    name: str
    start: int
    end: int


def parts(start: int, times: Times, seen: Observation) -> list[Part]:
    """Return the parts of a request that arrived at `start`: without gaps, the last one's end is that of the request.

    The seconds of one name add up to those in the metrics. The gateway and its sockets have two parts, before the
    backend and after it; what the client took to send the request, and the network, are the residual.
    """
    phases = [(name, seconds) for name, seconds in _phases(times, seen) if seconds > 0.0]
    ends = [start + nanoseconds(seconds) for seconds in accumulate(seconds for _, seconds in phases)]
    if ends:
        ends[-1] = start + nanoseconds(seen.total_seconds)
    starts = [start, *ends[:-1]]
    return [Part(name, *between) for (name, _), between in zip(phases, zip(starts, ends, strict=False), strict=True)]


def nanoseconds(seconds: float) -> int:
    """Return whole nanoseconds."""
    return round(seconds * _NANOSECONDS)


def _phases(times: Times, seen: Observation) -> Iterator[tuple[str, float]]:
    passed = times.last_upstream and times.last_downstream
    after = min(max(0.0, times.last_downstream - times.last_upstream), seen.gateway_seconds) if passed else 0.0
    unread = seen.phases.get(SOCKETS, times.unread)
    others, rest = max(0.0, seen.total_seconds - unread - seen.gateway_seconds), BACKEND
    if seen.phases:
        others, rest = seen.phases[RESIDUAL], RESIDUAL
    sending = min(times.received - times.unread, others) if times.asked and is_sent_slowly(times) else 0.0
    yield SOCKETS, min(unread, times.unread)
    yield RESIDUAL, sending
    yield GATEWAY, seen.gateway_seconds - after
    for name in _IN_ORDER:
        yield name, seen.phases.get(name, 0.0)
    yield rest, others - sending
    yield SOCKETS, unread - min(unread, times.unread)
    yield GATEWAY, after
