"""A load by the compiled sender in this process: the same few requests in turn, ready before the load begins."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.harness.run import Array, LoadFailed, Run, Target
from tandem.measure.generator.native.library import Library
from tandem.measure.generator.sending.native_sender import NativeSender
from tandem.measure.generator.sending.sender import Load, Phase, Route
from tandem.measure.generator.sending.tables import REQUEST_SPEC, End, Seen, Table

CONNECT_SECONDS = 2.0
_PREFIX = struct.Struct(">BI")
_AHEAD_REQUESTS = 16_384
_LOOK_SECONDS = 0.005


def sent(library: Library, target: Target, route: Route, load: Load, starts: Array | None, connections: int) -> Run:
    """Send a load and return what came of it; `starts`: when requests of an open loop are due, in seconds.

    Raises LoadFailed if no server listens.
    """
    sender = NativeSender(library, f"127.0.0.1:{target.port}", connections)
    try:
        sender.connect_now(CONNECT_SECONDS)
        return _sent(sender, target.requests, route, load, starts)
    except ConnectionError as error:
        raise LoadFailed(f"cannot connect: {error}") from None
    finally:
        sender.end()


def _sent(sender: NativeSender, requests: Sequence[bytes], route: Route, load: Load, starts: Array | None) -> Run:
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
    seen = sender.collect()
    rows = seen.rows
    is_cut_off = rows["end"] == End.CUT_OFF
    return Run(
        intended=rows["intended"],
        sent=rows["sent"],
        first_message=rows["first_output"],
        ended=np.where(is_cut_off, np.nan, rows["ended"]),
        messages=rows["num_messages"].astype(np.float64),
        status=np.where(is_cut_off, -1, rows["code"]).astype(np.float64),
        cpu_seconds=now.cpu_seconds,
        is_real_time=sender.is_real_time,
        replies=_replies(seen),
    )


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


def _replies(seen: Seen) -> tuple[bytes, ...]:
    """Return the messages that were kept, of one request after another in the order of their ends."""
    order = np.argsort(seen.rows["number"])
    places = order[np.searchsorted(seen.rows["number"], seen.kept["number"], sorter=order)]
    kept = seen.kept[np.lexsort((seen.kept["message"], places))]
    raw = seen.kept_bytes.tobytes()
    return tuple(raw[begin : begin + size] for begin, size in kept[["begin", "size"]].tolist())
