"""Child processes that end together with everything they have started: each one leads a process group of its own.

Knows nothing of what the processes do. Needs only the standard library, because images compile the kernel with it
before anything is installed.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run_in_group(command: Sequence[str], timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its exit code and its output as text.

    If it takes longer than `timeout_seconds`, or the wait is interrupted, its whole process group is killed: a compiler
    is a driver that starts the real one. Raises subprocess.TimeoutExpired, and OSError if it cannot be started.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout_seconds)
        except BaseException:
            if process.returncode is None:  # not reaped yet, so the number is still its own
                _kill(process.pid)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def kill_children() -> None:
    """Kill the child processes of this process, each with the group that it leads. Finds them on Linux only."""
    for listing in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended meanwhile
            for pid in listing.read_text().split():
                _kill(int(pid))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
