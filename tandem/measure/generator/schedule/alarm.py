"""Waking an event loop at an instant, to the microsecond.

The timers of asyncio and uvloop count whole milliseconds, as epoll does: too coarse where a reply takes one. Linux
has timer descriptors (timerfd), which a loop can watch; Python knows them from 3.13 on, so they are called through
ctypes. Elsewhere the loop's own timer must do, and the audit shows what that costs.
"""

import asyncio
import ctypes
import os
import sys
import time

_CLOCK_MONOTONIC = 1  # time.monotonic's own
_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000
_ABSOLUTE = 1
_SHORTEST_SECONDS = 20e-6  # less than it takes to set a timer


class Alarm:
    """Used by one task at a time; make it where an event loop runs."""

    def __init__(self, has_descriptor: bool = sys.platform == "linux") -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._descriptor = -1
        if has_descriptor:
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._descriptor = _check(self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC))
            self._loop.add_reader(self._descriptor, self._ring)

    async def until(self, instant: float) -> None:
        """Return at `instant` (seconds, time.monotonic) or soon after; others run meanwhile, even if it has passed."""
        left = instant - time.monotonic()
        if left > _SHORTEST_SECONDS:
            self._waiter = self._loop.create_future()
            if self._descriptor < 0:
                self._loop.call_later(left, self._ring)
            else:
                # An itimerspec: seconds and nanoseconds of the interval, then of the first expiry.
                setting = (ctypes.c_long * 4)(0, 0, int(instant), int(instant % 1 * 1e9))
                _check(self._libc.timerfd_settime(self._descriptor, _ABSOLUTE, setting, None))
            await self._waiter
            return
        await asyncio.sleep(0)
        while time.monotonic() < instant:
            pass

    def _ring(self) -> None:
        if self._descriptor >= 0:
            os.read(self._descriptor, 8)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Give the timer back."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"timerfd: {os.strerror(number)}")
    return result
