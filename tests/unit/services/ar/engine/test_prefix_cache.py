"""What sequences have in common is computed once, and what is found is always what was looked for."""

import pytest

from services.ar.engine.groups import TokenGroups
from services.ar.engine.sequence import SamplingParams, Sequence
from tests.unit.services.ar.engine.rig import BLOCK_SIZE, StepEngine

PROMPT = list(range(10, 31))  # five blocks and a token


def sequence(prompt: list[int], max_tokens: int = 2, is_scored: bool = False, salt: bytes = b"") -> Sequence:
    return Sequence(prompt, SamplingParams(max_tokens=max_tokens), is_scored=is_scored, cache_salt=salt)


def test_what_was_computed_before_is_not_computed_again():
    engine = StepEngine()
    assert engine.run(sequence(PROMPT)) == [21, 1]
    again, longer = sequence(PROMPT), sequence([*PROMPT, 5, 6])
    assert engine.run(again) == [1, 1]
    assert engine.run(longer) == [3, 1]
    assert (again.num_cached_tokens, longer.num_cached_tokens) == (20, 20)
    assert (engine.cache.num_prompt_tokens, engine.cache.num_cached_tokens) == (65, 40)
    assert engine.pool.num_free == 64


def test_a_scored_text_is_computed_whole_but_leaves_what_it_computed():
    engine = StepEngine()
    engine.run(sequence(PROMPT))
    scored = sequence(PROMPT, is_scored=True)
    engine.scheduler.add(scored)
    (work,) = engine.scheduler.schedule()
    assert work.num_tokens == 20
    assert scored.num_cached_tokens is None


def test_what_was_not_used_for_the_longest_goes_first_its_end_before_its_beginning():
    engine = StepEngine(num_blocks=12)
    engine.run(sequence(PROMPT))
    engine.run(sequence([90, *PROMPT[1:]]))
    engine.run(sequence([*range(50, 60)]))  # three blocks, where two are left
    assert engine.run(sequence([90, *PROMPT[1:]]))[0] == 1
    assert engine.run(sequence(PROMPT))[0] == 21 - 16


def test_in_exact_mode_only_whole_chunks_of_prompts_are_shared():
    engine = StepEngine(chunk_tokens=8)
    first = sequence(PROMPT, max_tokens=8)
    assert engine.run(first)[:3] == [8, 8, 5]
    assert engine.run(sequence(PROMPT))[0] == 5
    assert engine.run(sequence([*first.token_ids, 3, 4]))[:2] == [8, 7]
    assert engine.run(sequence(PROMPT[:16]))[0] == 8


@pytest.mark.parametrize("is_scored", [False, True])
def test_only_sequences_of_one_salt_share(is_scored: bool):
    engine = StepEngine()
    engine.run(sequence(PROMPT, is_scored=is_scored, salt=b"alice"))
    for other in (b"bob", b"", b"alic", b"alicealice"):
        theirs = sequence(PROMPT, salt=other)
        assert engine.run(theirs) == [21, 1]
        assert theirs.num_cached_tokens == 0
    hers = sequence(PROMPT, salt=b"alice")
    assert engine.run(hers) == [1, 1]
    assert hers.num_cached_tokens == 20


def test_a_salt_does_not_pass_for_the_key_of_a_block_before():
    """One who could choose the salt would otherwise go on from another's block."""
    engine = StepEngine()
    victim = sequence(PROMPT)
    engine.run(victim)
    for salt in victim.block_keys:
        assert engine.run(sequence(PROMPT, salt=salt)) == [21, 1]
        assert engine.run(sequence(PROMPT[BLOCK_SIZE:], salt=salt)) == [17, 1]


def test_blocks_of_the_same_tokens_at_other_places_in_the_text_are_not_shared():
    def placed(prompt: list[int], places: tuple[int, ...]) -> Sequence:
        groups = TokenGroups.of(len(prompt), (1,), places)
        return Sequence(prompt, SamplingParams(max_tokens=1), mask_token_id=99, groups=groups)

    engine = StepEngine()
    first, same, moved = (placed(PROMPT, (*range(8, 20), 0)), placed(PROMPT, (*range(8, 20), 1)), placed(PROMPT, (0,)))
    engine.run(first)
    engine.run(same)
    engine.run(moved)
    assert (first.num_cached_tokens, same.num_cached_tokens, moved.num_cached_tokens) == (0, 20, 8)
