"""Calls from a thread to an event loop that leave the thread the interpreter's lock."""

import asyncio
import ctypes
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress

# Unlike os.write and a socket's send it keeps the lock.
_write = ctypes.PyDLL(None).write
_write.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]


class LoopCalls:
    """`call` is as `loop.call_soon_threadsafe`, but does not let go of the interpreter's lock.

    That one does while it wakes the loop, which then takes the lock and keeps it for all that it has to do. A thread
    that is about to compute without the lock calls this instead: the loop wakes, and runs once the thread computes.
    Made and closed on the loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)  # full, it has woken the loop already
        self._loop.add_reader(self._reader, self._make)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the loop call the function soon, in the order of the calls; errors go to its exception handler."""
        self._calls.append((function, arguments))
        _write(self._writer, b"\0", 1)

    def close(self) -> None:
        """Make the calls that are left, and take no more; the thread must have ended."""
        if self._reader < 0:
            return
        self._loop.remove_reader(self._reader)
        self._make()
        os.close(self._reader)
        os.close(self._writer)
        self._reader = -1

    def _make(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)
        while self._calls:
            function, arguments = self._calls.popleft()
            try:
                function(*arguments)
            except Exception as error:
                self._loop.call_exception_handler({"message": f"{function} failed", "exception": error})
