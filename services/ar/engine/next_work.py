"""What is computed next of a sequence: pieces of its prompt, then each group with the MASK rows of the next one."""

from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work


def next_work(sequence: Sequence, chunk_tokens: int | None, budget: int) -> Work | None:
    """Return what is computed next of a sequence, None if that has to wait for a larger budget.

    chunk_tokens, if given: prompts are cut at its multiples, and outputs computed again go token by token. Groups are
    computed again, and scored, as they were generated: the tokens of one, with the MASK rows of the next. The first
    MASK rows go with the last token of the prompt; all before that is computed in as many pieces as it takes.
    """
    groups, num_computed = sequence.groups, sequence.num_computed_tokens
    if groups is None:
        num_tokens = _next_tokens(sequence, chunk_tokens, budget)
        return Work(sequence, num_tokens) if num_tokens else None
    known, masked = groups.known_and_masked(num_computed)
    is_first, num_tokens = num_computed + 1 < groups.num_prompt_tokens, masked - num_computed
    if is_first and (chunk_tokens is not None or num_tokens > budget):
        num_tokens = _piece(known - 1 - num_computed, num_computed, chunk_tokens, budget)
        return Work(sequence, num_tokens) if num_tokens else None
    return Work(sequence, num_tokens, num_masked=masked - known) if num_tokens <= budget else None


def _next_tokens(sequence: Sequence, chunk_tokens: int | None, budget: int) -> int:
    if chunk_tokens is None:
        return min(sequence.num_uncomputed_tokens, budget)
    num_prompt_tokens = sequence.num_uncomputed_tokens - sequence.num_output_tokens
    return _piece(max(num_prompt_tokens, 1), sequence.num_computed_tokens, chunk_tokens, budget)


def _piece(num_tokens: int, num_computed: int, chunk_tokens: int | None, budget: int) -> int:
    """Return how many of `num_tokens` are computed next; 0 if the next place to cut lies behind the budget."""
    if chunk_tokens is None:
        return min(num_tokens, budget)
    num_tokens = min(num_tokens, chunk_tokens - num_computed % chunk_tokens)
    return num_tokens if num_tokens <= budget else 0
