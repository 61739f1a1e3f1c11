"""Our own RPCs, to compare the protocol with."""

from __future__ import annotations

from typing import Any, NamedTuple


class Stubs(NamedTuple):
    """Of both services."""

    ar: Any
    gan: Any
