"""Certificates that change while the gateway runs: Envoy reads them again when their files have changed."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from gateway.proxy.sockets import Sockets

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0

Stamp = tuple[tuple[int, int, int] | None, ...]


async def watch_certificates(
    files: Sequence[Path], sockets: Sockets, every_seconds: float = LOOK_EVERY_SECONDS
) -> None:
    """Look at the files again and again, and have Envoy read them after each change; never returns.

    Looking works however the files change: written in place, moved, or behind a link as in Kubernetes. Envoy keeps
    what it has where the new files are no good. A certificate that is there before its key is not one change: Envoy
    reads them when nothing has changed for one look.
    """
    read_at = seen = stamp(files)
    while True:
        await asyncio.sleep(every_seconds)
        now = stamp(files)
        if now == seen != read_at:
            reload(sockets)
            read_at = now
            logger.info("certificates have changed; Envoy reads them again")
        seen = now


def stamp(files: Sequence[Path]) -> Stamp:
    """Return what differs after a change of any of the files."""
    return tuple(_stamp(file) for file in files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def reload(sockets: Sockets) -> None:
    """Make Envoy read the certificates again: it watches this folder for what is moved there."""
    made = sockets.folder / "reload.new"
    made.touch()
    made.rename(sockets.reload / "now")
