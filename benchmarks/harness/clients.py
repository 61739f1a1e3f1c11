"""The clients of the benchmarks: the load generator's own compiled sender, and a program for servers of HTTP/1.1."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.programs import ProgramUnavailable, program
from runtime.compiled.recipe import LibraryUnavailable
from tandem.measure.generator.native.library import Library, open_sender_library

Client = Library | Path
SENDER, HTTP1 = "sender", "http1"


def open_client(name: str) -> Client:
    """Return the client SENDER or HTTP1. Raises ProgramUnavailable."""
    if name == HTTP1:
        return program(HTTP1)
    try:
        return open_sender_library()
    except LibraryUnavailable as error:
        raise ProgramUnavailable(str(error)) from None
