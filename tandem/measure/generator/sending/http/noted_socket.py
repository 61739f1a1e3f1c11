"""A plain TCP connection whose bytes go to the kernel at once, and that says when the kernel had those that came.

So neither how busy the event loop is, nor how late its thread wakes, is in a reply's time. The kernel notes it on Linux
alone; elsewhere it is when the loop reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

_SO_TIMESTAMPNS = 35  # of Linux; Python has no name for it
_TIMESPEC = struct.Struct("@qq")
_READ_BYTES = 256 << 10


async def connect(host: str, port: int) -> socket.socket:
    """Return a connection. Raises OSError."""
    loop, error = asyncio.get_running_loop(), OSError(f"no address of {host}")
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            await loop.sock_connect(made, address)
        except BaseException as why:
            made.close()
            if not isinstance(why, OSError):
                raise
            error = why
            continue
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return made
    raise error


class NotedSocket(asyncio.Transport):
    """What `Connection` needs of a transport. `on_bytes` gets what comes, and when; `on_lost` the end, and why."""

    def __init__(
        self,
        connected: socket.socket,
        on_bytes: Callable[[bytes, float], None],
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        super().__init__()
        self._socket, self._on_bytes, self._on_lost = connected, on_bytes, on_lost
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._is_closing = False
        self._loop.add_reader(connected, self._read)

    def write(self, data: Any) -> None:
        """Send the bytes, as many as the kernel takes now and the rest later; none once the connection is closing."""
        if self._is_closing:
            return
        if not self._unsent:
            data = data[self._send(data) :]
        if data and not self._is_closing:
            self._unsent += data
            self._loop.add_writer(self._socket, self._write_rest)

    def is_closing(self) -> bool:
        return self._is_closing

    def abort(self) -> None:
        self._end(None)

    def _send(self, data: bytes) -> int:
        with contextlib.suppress(BlockingIOError):
            try:
                return self._socket.send(data)
            except (ConnectionError, TimeoutError) as error:
                self._end(error)
        return 0

    def _write_rest(self) -> None:
        self._unsent = self._unsent[self._send(self._unsent) :]
        if not self._unsent and not self._is_closing:
            self._loop.remove_writer(self._socket)

    def _read(self) -> None:
        try:
            data, notes, _, _ = self._socket.recvmsg(_READ_BYTES, socket.CMSG_SPACE(_TIMESPEC.size))
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        at = time.monotonic()
        if not data:
            self._end(None)
            return
        for level, kind, raw in notes:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIMESPEC.unpack(raw)
                at -= max(0.0, time.time() - seconds - nanoseconds * 1e-9)  # how long ago is the same on both clocks
        self._on_bytes(data, at)

    def _end(self, error: Exception | None) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        self._loop.call_soon(self._on_lost, error)
