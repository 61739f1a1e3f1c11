"""The sender in C++: a thread of its own, outside Python's lock. It is compiled the first time."""

from __future__ import annotations

import asyncio
import ctypes
import math
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.native import build
from tandem.measure.generator.sending.sender import Load, Progress, Route, Sender
from tandem.measure.generator.sending.tables import MESSAGE, REQUEST_SPEC, ROW, RequestSpec, Seen, Table
from tandem.shared.compiled.library import open_functions
from tandem.shared.compiled.recipe import LibraryUnavailable

_TABLES: tuple[Any, ...] = (ROW, MESSAGE, np.uint8, np.float64, np.int64, np.uint8)
_UNITS = (("u", 1e6), ("m", 1e3), ("S", 1.0))
_MOST = 99_999_999  # eight digits
_RETRY_SECONDS = 0.1


@cache
def _library() -> tuple[SimpleNamespace, SimpleNamespace]:
    """Return the sender's functions twice: as they keep Python's lock, which is quick, and as they let go of it."""
    if sys.platform != "linux":
        raise LibraryUnavailable(f"the compiled sender needs Linux (epoll, timerfd); this is {sys.platform}")
    return open_functions(build.sender_recipe())


class NativeSender(Sender):
    """`address` is host:port, of an IPv6 host [host]:port. Connections last from one run to the next.

    Raises LibraryUnavailable.
    """

    is_compiled = True

    def __init__(self, address: str, num_connections: int, metadata: Iterable[tuple[str, str]] = ()) -> None:
        self._quick, self._slow = _library()
        self._address, self._num_connections = address, num_connections
        self._sender: int = self._slow.open(address.encode())
        for name, value in metadata:
            self._quick.metadata(self._sender, name.encode(), value.encode())
        self._progress: Progress = self._quick.progress(self._sender).contents

    async def connect(self, seconds: float) -> None:
        until, (host, _, port) = time.monotonic() + seconds, self._address.rpartition(":")
        peer = (host.strip("[]"), port)
        for _ in range(self._num_connections):
            try:
                connection = await _connect(peer, until)
            except socket.gaierror:
                raise ConnectionError(f"{self._address}: no such host") from None
            except OSError as error:
                why = error.strerror or error
                raise ConnectionError(f"no connection to {self._address} within {seconds:g} s: {why}") from None
            peer = connection.getpeername()[:2]  # all go to the one that answers
            self._quick.adopt(self._sender, connection.detach())

    def begin(self, routes: Sequence[Route], load: Load) -> None:
        for route in routes:
            deadline = math.inf if route.deadline_seconds is None else route.deadline_seconds
            self._quick.route(
                self._sender,
                route.path.encode(),
                b"" if math.isinf(deadline) else timeout_text(deadline).encode(),
                deadline,
                route.is_streamed,
                route.is_kept,
                (ctypes.c_uint32 * len(route.bulk))(*route.bulk),
                len(route.bulk),
            )
        values = {name: getattr(load, name) for name, *_ in build.Load._fields_}
        native = build.Load(**(values | {"budget": -1 if load.budget is None else load.budget}))
        callers = np.array(load.callers, np.float64).reshape(-1, 2)
        self._quick.start(self._sender, native, _at(callers, build.Caller), len(callers))

    def feed(self, specs: Table, messages: bytes, is_last: bool) -> None:
        assert specs.dtype == REQUEST_SPEC
        self._slow.feed(self._sender, _at(specs, RequestSpec), len(specs), messages, len(messages), is_last)

    def progress(self) -> Progress:
        return self._progress

    def stop(self) -> None:
        self._quick.stop(self._sender)

    def collect(self) -> Seen:
        self._slow.join(self._sender)
        *tables, texts = (self._table(number, kind) for number, kind in enumerate(_TABLES))
        *each, _ = texts.tobytes().decode(errors="replace").split("\0")
        return Seen._make([*tables, tuple(map(unquote, each))])

    def _table(self, number: int, kind: Any) -> NDArray[Any]:
        table = np.empty(self._slow.table(self._sender, number, None), kind)
        self._slow.table(self._sender, number, table.ctypes.data)
        return table

    def reset(self) -> None:
        self._slow.reset(self._sender)

    async def close(self) -> None:
        self._slow.close(self._sender)
        self._sender = 0


async def _connect(peer: tuple[str, str], until: float) -> socket.socket:
    """Return a socket that does not block; a server that is not there yet is tried again. Raises OSError."""
    while True:
        left = until - time.monotonic()
        try:
            connection = await asyncio.to_thread(socket.create_connection, peer, max(left, _RETRY_SECONDS))
            connection.setblocking(False)
            return connection
        except OSError as error:
            if isinstance(error, socket.gaierror) or left < _RETRY_SECONDS:
                raise
        await asyncio.sleep(_RETRY_SECONDS)


def _at(table: NDArray[Any], kind: type[ctypes.Structure]) -> Any:
    return table.ctypes.data_as(ctypes.POINTER(kind))


def timeout_text(seconds: float) -> str:
    """Return a deadline as the header grpc-timeout has it: at most eight digits, in the finest unit they allow."""
    unit, scale = next(((name, scale) for name, scale in _UNITS if seconds * scale <= _MOST), ("S", _MOST / seconds))
    return f"{max(1, round(seconds * scale))}{unit}"
