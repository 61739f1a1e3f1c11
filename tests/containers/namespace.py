"""A network namespace of our own: published ports meet nobody else's, and no rule of the machine's firewall changes."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000


@contextmanager
def network_namespace(name: str) -> Iterator[None]:
    """Move this thread, and whatever it starts, into a namespace that has nothing but loopback."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        _enter(Path("/run/netns") / name)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        _set_namespace(own)
        os.close(own)
        subprocess.run(["ip", "netns", "delete", name], check=True)


def _enter(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _set_namespace(descriptor)
    finally:
        os.close(descriptor)


def _set_namespace(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
