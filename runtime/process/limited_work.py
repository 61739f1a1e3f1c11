"""Runs work in a child process, because it may need unlimited time, memory or stack.

The child receives each piece of work as a line of JSON and returns the result as one. It may use a second of processor
time for each piece, and the kernel ends it at that limit. A child that does not answer, for example because it was
stopped, is killed, and another one gets its work.
"""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from tandem.shared.errors import Unavailable

MAX_SECONDS = 1.0
"""Of processor time: to wait for a core on a busy machine is no fault of the work."""
_MAX_DATA_BYTES = 256 << 20
_STACK_BYTES = 4 << 20  # half of what a thread of a server has
_MAX_STILL_SECONDS = 10.0
_START_SECONDS = 60.0
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)


class LimitMet(Exception):
    """The work took more time, memory or stack than it may, and would again."""


class LimitedWork:
    """Owns processes of `python -m module`, where `module` calls `serve`; used by one thread at a time.

    Each process receives `opening` before any work. `num_spare` processes are kept ready beside the one that works. All
    of them end when this process ends, because their sockets close.
    """

    def __init__(
        self, module: str, opening: object = None, num_spare: int = 0, max_still_seconds: float = _MAX_STILL_SECONDS
    ) -> None:
        self._module = module
        self._opening = opening
        self._num_children = 1 + num_spare
        self._max_still_seconds = max_still_seconds
        self._children: deque[_Child] = deque()  # the first works
        self.close = weakref.finalize(self, _end_all, self._children)

    def start(self) -> None:
        """Have all processes started, which `run` does as well, so that the first work does not wait for its own."""
        for child in [child for child in self._children if child.process.poll() is not None]:
            self._children.remove(child)
            child.end()
        while len(self._children) < self._num_children:
            self._children.append(_Child(self._module, self._opening, self._max_still_seconds))

    def run(self, work: object) -> Any:
        """Return what comes of the work. Raises LimitMet, and Unavailable if processes stand still or are killed."""
        for _ in range(2):
            self.start()
            try:
                return self._children[0].run(work)
            except OSError:  # it has ended, or does not answer
                code = self._children.popleft().end()
            self.start()
            if code > 0:  # what goes wrong in a piece of work ends the process with 0, or by a signal
                raise RuntimeError(f"python -m {self._module} does not start: exit code {code}")
            if code not in _FROM_OUTSIDE:
                raise LimitMet(f"more than {MAX_SECONDS:g} s of processor time, or too much memory")
        raise Unavailable("a process that was to do a part of the work does not answer")


class _Child:
    """One process, given work only once it has said that it is ready."""

    def __init__(self, module: str, opening: object, max_still_seconds: float) -> None:
        self._max_still_seconds = max_still_seconds
        self._is_ready = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            # In a session of its own: Ctrl-C is for the server, which ends the child when it is through.
            command = [sys.executable, "-m", module]
            end = theirs.fileno()
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=end, stdout=end, start_new_session=True
            )
        self._lines = self._socket.makefile("rb")
        self._socket.settimeout(_START_SECONDS)
        with contextlib.suppress(OSError):  # `run` raises it again
            self._send(opening)

    def run(self, work: object) -> Any:
        """Return what comes of the work. Raises OSError if the process ends, or stands still."""
        if not self._is_ready:
            self._receive()
            self._is_ready = True
            self._socket.settimeout(self._max_still_seconds)
        self._send(work)
        return self._receive()

    def _send(self, value: object) -> None:
        self._socket.sendall(json.dumps(value).encode() + b"\n")

    def _receive(self) -> Any:
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise BrokenPipeError
        return json.loads(line)

    def end(self) -> int:
        """Kill the process unless it has ended; return its exit code."""
        self.process.kill()
        self._lines.close()
        self._socket.close()
        return self.process.wait()


def _end_all(children: deque[_Child]) -> None:
    while children:
        children.pop().end()


def serve(prepare: Callable[[Any], Callable[[Any], object]]) -> None:
    """Be the child: `prepare` makes of the opening what does the work. Ends with the standard input, or at a limit."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_DATA_BYTES, _MAX_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=_answer_all, args=(prepare,))
    thread.start()
    thread.join()


def _answer_all(prepare: Callable[[Any], Callable[[Any], object]]) -> None:
    do = prepare(_begin(sys.stdin.readline()))
    _answer(None)
    for line in sys.stdin:
        _answer(do(_begin(line)))


def _begin(line: str) -> Any:
    """Return what a line says, its time begun: the signal at the end of it ends the process."""
    signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)
    return json.loads(line)


def _answer(value: object) -> None:
    try:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # the server has ended
        os._exit(0)
