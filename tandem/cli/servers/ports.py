"""TCP ports of this machine's loopback: which are free, and who listens on one that is not."""

import contextlib
import itertools
import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

HOST = "127.0.0.1"
_LISTEN = "0A"
_PORTS = range(10_000, 32_768)
_given: set[int] = set()  # by `free_ports`, in this process


def is_free(port: int) -> bool:
    """Return whether a server could listen on `port`."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still winding down counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Return `count` different free ports, others at every call: the server of an earlier one may not listen yet.

    They are below those that systems give to outgoing connections, one of which could take a port before its server.
    """
    candidates = random.SystemRandom().sample(_PORTS, len(_PORTS))
    ports = list(itertools.islice((port for port in candidates if port not in _given and is_free(port)), count))
    _given.update(ports)
    return ports


def listener(port: int) -> str | None:
    """Return the command line and pid of who listens on `port`; None if that cannot be known (Linux only)."""
    inodes = set(_listening_inodes(port))
    for folder in Path("/proc").glob("[0-9]*/fd") if inodes else ():
        with contextlib.suppress(OSError):
            if any(_inode(file) in inodes for file in folder.iterdir()):
                words = (folder.parent / "cmdline").read_text(errors="replace").split("\0")
                return f"{' '.join(filter(None, words))[:60]} (pid {folder.parent.name})"
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _inode(file: Path) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(file).removeprefix("socket:[").removesuffix("]")
    return ""
