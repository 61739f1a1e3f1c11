"""The server of known laws, in a thread of this process that Python's lock does not hold; and its record."""

from __future__ import annotations

import ctypes
import socket
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tandem.measure.truth.law import TABLE_SIZE, Laws
from tandem.measure.truth.native.build import Law, MessageRow, RequestRow, truth_recipe
from tandem.measure.truth.replies import replies
from tandem.shared.compiled.library import open_functions

Table = NDArray[np.void]


class Record(NamedTuple):
    """What a server has done: rows of RequestRow by number, and of MessageRow, those of a request in their order."""

    requests: Table
    messages: Table


class TruthServer:
    """A server at `address`, HOST:PORT, from when it is entered until its record is read, or it is left.

    Raises LibraryUnavailable, OSError, and ExpectedError for laws that are none.
    """

    def __init__(self, laws: Laws, host: str = "127.0.0.1", port: int = 0) -> None:
        self._functions = open_functions(truth_recipe())[1]
        firsts, gaps, failing = laws.tables()
        self._listener = socket.create_server((host, port), backlog=4096)
        self._listener.setblocking(False)
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        law = Law(laws.stall[0], laws.stall[1], laws.slots, laws.tokens)
        seconds, flags = ctypes.c_double * TABLE_SIZE, ctypes.c_uint8 * TABLE_SIZE
        tables = (seconds(*firsts), seconds(*gaps), flags(*failing), TABLE_SIZE)
        self._server: int = self._functions.open(self._listener.fileno(), law, *tables)
        for reply in replies():
            parts = (reply.head, reply.piece, reply.last, reply.usage, reply.done)
            count_at = (ctypes.c_uint32 * len(reply.count_at))(*reply.count_at)
            sizes = (ctypes.c_uint64 * len(parts))(*map(len, parts))
            kind = (reply.is_streamed, reply.mode, reply.is_nested)
            self._functions.reply(
                self._server, reply.path.encode(), *kind, count_at, len(count_at), b"".join(parts), sizes
            )

    def __enter__(self) -> Self:
        self._functions.start(self._server)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._functions.close(self._server)
        self._server = 0
        self._listener.close()

    @property
    def num_ended(self) -> int:
        """How many requests have ended."""
        return int(self._functions.ended(self._server))

    def record(self) -> Record:
        """Stop, and return what was done; what is under way is cut off."""
        self._functions.stop(self._server)
        self._listener.close()
        requests, messages = (self._table(name, kind) for name, kind in _TABLES.items())
        order = np.argsort(messages["number"], kind="stable")
        return Record(requests[np.argsort(requests["number"])], messages[order])

    def _table(self, name: str, kind: Any) -> Table:
        copy = getattr(self._functions, name)
        table = np.empty(copy(self._server, None), np.dtype(kind))
        copy(self._server, table.ctypes.data)
        return table


_TABLES = {"requests": RequestRow, "messages": MessageRow}
