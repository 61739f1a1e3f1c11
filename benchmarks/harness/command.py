"""The flags that benchmarks have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from tandem.shared.cache_folder import cache_folder


def parser(
    doc: str | None, *, rounds: int = 0, seconds: float = 0.0, out: str = "", has_peers: bool = False
) -> argparse.ArgumentParser:
    """Return a parser with those of the flags that a benchmark has: `rounds` and `seconds` are their defaults, `out`
    names the files; `has_peers`: peers are installed.
    """
    found = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if rounds:
        found.add_argument("--rounds", type=int, default=rounds)
    if seconds:
        found.add_argument("--seconds", type=float, default=seconds, help="of each load")
    if out:
        found.add_argument("--out", type=Path, default=Path("out"), help=f"folder for {out}.json")
    if has_peers:
        folder = cache_folder() / "peers"
        found.add_argument("--cache", type=Path, default=folder, help="where peers are installed")
    return found
