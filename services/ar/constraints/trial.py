"""Grammars are compiled in a process of their own first (`python -m`, see runtime.process.limited_work).

llguidance has no bound on time. Pairs of `patternProperties` are compared one by one, and some kilobytes of them take
minutes; chains of some thousand definitions overflow the stack. What passed here is compiled once more, in the same
time, where it is wanted: matchers cannot be sent between processes.
"""

from collections.abc import Callable

from llguidance import LLTokenizer

from runtime.process.limited_work import serve
from services.ar.constraints.grammar import limited_matcher


def prepare(opening: None) -> Callable[[str], None]:
    """Return what compiles a grammar, or finds it to be none, for a vocabulary of single bytes."""
    table = LLTokenizer("byte")

    def compile_(grammar: str) -> None:
        limited_matcher(table, grammar).compute_bitmask()

    return compile_


if __name__ == "__main__":
    serve(prepare)
