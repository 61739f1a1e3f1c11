"""Prompts in pieces, and the MASK rows that go with the last of them."""

from services.ar.engine.groups import TokenGroups
from services.ar.engine.next_work import next_work
from services.ar.engine.sequence import SamplingParams, Sequence

MASK = 99


def pieces(
    num_prompt: int, budget: int, chunk_tokens: int | None = None, num_computed: int = 0
) -> list[tuple[int, int]]:
    """Return how many tokens and MASK rows each step has until the first tokens of the output are there."""
    groups = TokenGroups.of(num_prompt, (3, 6))
    one, found = Sequence([50] * num_prompt, SamplingParams(max_tokens=6), mask_token_id=MASK, groups=groups), []
    one.num_computed_tokens = num_computed
    while not found or not found[-1][1]:
        work = next_work(one, chunk_tokens, budget)
        assert work is not None
        assert work.completes == bool(work.num_masked)
        assert one.is_prompt == (one.num_computed_tokens + 1 < num_prompt)
        found.append((work.num_given, work.num_masked))
        one.num_computed_tokens += work.num_given
    return found


def test_mask_rows_go_with_the_last_token_of_a_prompt_that_does_not_fit_a_step():
    assert pieces(5, 8) == [(5, 3)]
    assert pieces(6, 8) == [(5, 0), (1, 3)]
    assert pieces(20, 8) == [(8, 0), (8, 0), (4, 3)]
    assert pieces(20, 4) == [(4, 0), (4, 0), (4, 0), (4, 0), (3, 0), (1, 3)]
    assert pieces(1, 4) == [(1, 3)]
    assert pieces(20, 8, num_computed=16) == [(4, 3)]


def test_where_prompts_are_cut_at_fixed_places_the_last_token_has_a_step_of_its_own():
    assert pieces(10, 16, chunk_tokens=8) == [(8, 0), (1, 0), (1, 3)]
    assert pieces(9, 16, chunk_tokens=8) == [(8, 0), (1, 3)]
    assert pieces(1, 16, chunk_tokens=8) == [(1, 3)]
    waiting = Sequence([50] * 10, SamplingParams(), mask_token_id=MASK, groups=TokenGroups.of(10, (3, 6)))
    assert next_work(waiting, 8, 7) is None
