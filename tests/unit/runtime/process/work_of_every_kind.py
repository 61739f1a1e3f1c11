"""A child that does what it is told: `python -m tests.unit.runtime.process.work_of_every_kind`."""

import itertools
import os
import signal
import time
from collections import deque
from collections.abc import Callable

from runtime.process.limited_work import serve


def prepare(opening: object) -> Callable[[str], object]:
    def do(work: str) -> object:
        match work:
            case "compute for ever":
                deque(itertools.repeat(0), maxlen=0)
            case "fill the memory":
                bytearray(1 << 30)
            case "overflow the stack":
                signal.raise_signal(signal.SIGSEGV)  # in this thread, as the kernel does; to the process it comes later
            case "stand still":
                os.kill(os.getpid(), signal.SIGSTOP)
                time.sleep(600)  # the thread may go on for a moment
            case "be killed":
                os.kill(os.getpid(), signal.SIGKILL)
        return [opening, work, os.getpid()]

    return do


if __name__ == "__main__":
    serve(prepare)
