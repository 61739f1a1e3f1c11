"""Grammars are compiled in a process of their own first: one that would take for ever, all memory or the stack ends it.

llguidance has no bound on time. Pairs of `patternProperties` are compared one by one, and some kilobytes of them take
minutes; chains of some thousand definitions overflow the stack. What passed here is compiled once more, in the same
time, where it is wanted: matchers cannot be sent between processes.

Run as a program it is the child: a grammar as a line of JSON in, a line of JSON out once it has compiled.
"""

import json
import math
import resource
import select
import subprocess
import sys
import threading
import time

from llguidance import LLTokenizer

from runtime.errors import TooComplex
from services.ar.constraints.limits import limited_matcher

MAX_SECONDS = 1.0
_MAX_DATA_BYTES = 256 << 20
_MAX_CPU_SECONDS = 10
_STACK_BYTES = 4 << 20  # half of what the thread has that compiles afterwards
_START_SECONDS = 60.0


class Trial:
    """Owns the child; used by one thread at a time. The child ends with its standard input, so with this process."""

    def __init__(self, max_seconds: float = MAX_SECONDS) -> None:
        self._max_seconds = max_seconds
        self._child: subprocess.Popen[str] | None = None

    def check(self, grammar: str) -> None:
        """Raises TooComplex unless the grammar compiles, or is found to be none, within time, memory and stack."""
        child = self._running()
        assert child.stdin is not None  # noqa: S101
        try:
            child.stdin.write(json.dumps(grammar) + "\n")
            child.stdin.flush()
            self._await(child, self._max_seconds)
        except (OSError, TimeoutError):
            self.close()
            raise TooComplex("the constraint takes too long, or too much memory, to compile") from None

    def _running(self) -> "subprocess.Popen[str]":
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [sys.executable, "-m", "services.ar.constraints.trial"]
            pipe = subprocess.PIPE
            # In a session of its own: Ctrl-C is for the server, which ends the child when it is through.
            self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
            self._await(self._child, _START_SECONDS)
        return self._child

    def _await(self, child: "subprocess.Popen[str]", seconds: float) -> None:
        """Wait for a line. Raises TimeoutError, and OSError if the child has ended."""
        assert child.stdout is not None  # noqa: S101
        ready, _, _ = select.select([child.stdout], [], [], seconds)
        if not ready:
            raise TimeoutError
        if not child.stdout.readline():
            raise BrokenPipeError

    def close(self) -> None:
        """End the child, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with child:  # closes the pipes and waits
                pass


def _serve() -> None:
    """Compile what comes, for a vocabulary of single bytes."""
    table = LLTokenizer("byte")
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    print(json.dumps(True), flush=True)
    for line in sys.stdin:
        # If the server is killed now, nothing else would end a compilation that never ends.
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + _MAX_CPU_SECONDS, hard))
        limited_matcher(table, json.loads(line)).compute_bitmask()
        print(json.dumps(True), flush=True)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_DATA_BYTES, _MAX_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=_serve)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main()
