"""What all open grammars of a model may hold together: each counts as the most that one can grow to.

A grammar grows while an output follows it, and llguidance does not report its size. Its limits (`limits.py`) keep
it below `MAX_GRAMMAR_BYTES`, most stay below a megabyte.
"""

from services.common.memory import Memory

MAX_GRAMMAR_BYTES = 40_000_000
"""39 MB were measured of the worst of the grammars in the tests."""


def grammar_memory(max_bytes: int, max_caller_share: float) -> Memory:
    """Return room for as many grammars as take `max_bytes`, at least one."""
    return Memory(
        "the memory for constraints of open requests", max(1, max_bytes // MAX_GRAMMAR_BYTES), max_caller_share
    )
