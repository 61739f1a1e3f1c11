"""A load by the compiled sender in this process: the same few requests in turn, ready before the load begins."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.native.library import Library
from tandem.measure.generator.sending.columns import WHOLE_MESSAGE
from tandem.measure.generator.sending.native_sender import NativeSender
from tandem.measure.generator.sending.sender import Load, Phase, Progress, Route
from tandem.measure.generator.sending.tables import REQUEST_SPEC, Seen, Table

CONNECT_SECONDS = 2.0
_PREFIX = struct.Struct(">BI")
_AHEAD_REQUESTS = 16_384
_LOOK_SECONDS = 0.005


def sent(
    library: Library,
    port: int,
    route: Route,
    requests: Sequence[bytes],
    load: Load,
    starts: NDArray[np.float64] | None,
    num_connections: int,
) -> tuple[Seen, Progress, bool]:
    """Carry a load out, `starts` of an open loop; return at last whether the system let it go first.

    Raises ConnectionError.
    """
    sender = NativeSender(library, f"127.0.0.1:{port}", num_connections)
    with _ended(sender):
        sender.connect_now(CONNECT_SECONDS)
        messages, specs = _specs(requests, _AHEAD_REQUESTS // 2 if starts is None else len(starts))
        if starts is not None:
            specs["intended"] = starts
        sender.feed(specs, messages)
        if starts is not None:
            sender.feed_no_more()
        sender.begin([route], load)
        num_fed = len(specs)
        while (now := sender.progress()).phase != Phase.DONE:
            if starts is None and now.phase == Phase.LOADING and num_fed - now.num_taken < _AHEAD_REQUESTS:
                specs["number"] += len(specs)
                sender.feed(specs, messages)
                num_fed += len(specs)
            time.sleep(_LOOK_SECONDS)
        return sender.seen(), now, sender.is_real_time


@contextmanager
def _ended(sender: NativeSender) -> Iterator[None]:
    try:
        yield
    finally:
        sender.end()


def _specs(requests: Sequence[bytes], count: int) -> tuple[bytes, Table]:
    """Return framed messages one behind the other, and `count` specs that have them in turn."""
    framed = [_PREFIX.pack(0, len(each)) + each for each in requests]
    sizes = np.array([len(each) for each in framed])
    turn = np.arange(count) % len(framed)
    specs = np.zeros(count, REQUEST_SPEC)
    specs["number"] = np.arange(count)
    specs["intended"], specs["cancel_after"] = math.nan, math.inf
    specs["begin"], specs["size"] = (np.cumsum(sizes) - sizes)[turn], sizes[turn]
    return b"".join(framed), specs


def route_of(path: str, deadline_seconds: float | None, keep_replies: bool) -> Route:
    """Return a route on which any number of messages may come back."""
    columns = (WHOLE_MESSAGE,) if keep_replies else ()
    return Route(path, is_streamed=True, deadline_seconds=deadline_seconds, columns=columns)
