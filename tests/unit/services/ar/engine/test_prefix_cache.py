"""What sequences have in common is computed once, and what is found is always what was looked for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Work

BLOCK_SIZE = 4
PROMPT = list(range(10, 31))  # five blocks and a token


class Engine:
    """A scheduler, and what its steps would have written to the cache: a slot's salt and the tokens up to its own."""

    def __init__(self, num_blocks: int = 64, max_batch_tokens: int = 64, chunk_tokens: int | None = None) -> None:
        self.pool = BlockPool(num_blocks, BLOCK_SIZE)
        self.cache = PrefixCache(self.pool, chunk_tokens)
        self.scheduler = Scheduler(self.pool, 4, max_batch_tokens, chunk_tokens, self.cache)
        self._slots: dict[int, tuple[bytes, tuple[int, ...]]] = {}

    def step(self, token_id: int = 1) -> list[Work]:
        batch = self.scheduler.schedule()
        for work in batch:
            self._compute(work)
        tokens = [[SampledToken(token_id)] if work.completes else [] for work in batch]
        self.scheduler.commit(batch, tokens)
        self.scheduler.check_integrity()
        return batch

    def _compute(self, work: Work) -> None:
        sequence = work.sequence
        for place in range(sequence.num_computed_tokens + work.num_tokens):
            slot = sequence.block_table[place // BLOCK_SIZE] * BLOCK_SIZE + place % BLOCK_SIZE
            content = sequence.cache_salt, tuple(sequence.token_ids[: place + 1])
            if place < sequence.num_computed_tokens:
                assert self._slots[slot] == content
            self._slots[slot] = content

    def run(self, sequence: Sequence) -> list[int]:
        """Run it to its end; return how many tokens each step computed."""
        self.scheduler.add(sequence)
        steps = []
        while self.scheduler.has_work:
            steps.append(sum(work.num_tokens for work in self.step()))
        return steps


def sequence(prompt: list[int], max_tokens: int = 2, is_scored: bool = False, salt: bytes = b"") -> Sequence:
    return Sequence(prompt, SamplingParams(max_tokens=max_tokens), is_scored=is_scored, cache_salt=salt)


def test_what_was_computed_before_is_not_computed_again():
    engine = Engine()
    assert engine.run(sequence(PROMPT)) == [21, 1]
    again, longer = sequence(PROMPT), sequence([*PROMPT, 5, 6])
    assert engine.run(again) == [1, 1]
    assert engine.run(longer) == [3, 1]
    assert (again.num_cached_tokens, longer.num_cached_tokens) == (20, 20)
    assert (engine.cache.num_prompt_tokens, engine.cache.num_cached_tokens) == (65, 40)
    assert engine.pool.num_free == 64


def test_a_scored_text_is_computed_whole_but_leaves_what_it_computed():
    engine = Engine()
    engine.run(sequence(PROMPT))
    scored = sequence(PROMPT, is_scored=True)
    engine.scheduler.add(scored)
    (work,) = engine.scheduler.schedule()
    assert work.num_tokens == 20
    assert scored.num_cached_tokens is None


def test_what_was_not_used_for_the_longest_goes_first_its_end_before_its_beginning():
    engine = Engine(num_blocks=12)
    engine.run(sequence(PROMPT))
    engine.run(sequence([90, *PROMPT[1:]]))
    engine.run(sequence([*range(50, 60)]))  # three blocks, where two are left
    assert engine.run(sequence([90, *PROMPT[1:]]))[0] == 1
    assert engine.run(sequence(PROMPT))[0] == 21 - 16


def test_in_exact_mode_only_whole_chunks_of_prompts_are_shared():
    engine = Engine(chunk_tokens=8)
    first = sequence(PROMPT, max_tokens=8)
    assert engine.run(first)[:3] == [8, 8, 5]
    assert engine.run(sequence(PROMPT))[0] == 5
    assert engine.run(sequence([*first.token_ids, 3, 4]))[:2] == [8, 7]
    assert engine.run(sequence(PROMPT[:16]))[0] == 8


@pytest.mark.parametrize("is_scored", [False, True])
def test_only_sequences_of_one_salt_share(is_scored: bool):
    engine = Engine()
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
    engine = Engine()
    victim = sequence(PROMPT)
    engine.run(victim)
    for salt in victim.block_keys:
        assert engine.run(sequence(PROMPT, salt=salt)) == [21, 1]
        assert engine.run(sequence(PROMPT[BLOCK_SIZE:], salt=salt)) == [17, 1]


@settings(max_examples=200)
@given(
    arrivals=st.lists(
        st.tuples(
            st.integers(0, 4),  # steps before it comes
            st.lists(st.integers(0, 1), min_size=1, max_size=30),
            st.integers(1, 12),
            st.booleans(),  # whether an earlier one is cancelled
            st.booleans(),  # whether it is scored
            st.sampled_from([b"", b"alice", b"bob"]),
        ),
        min_size=1,
        max_size=20,
    ),
    num_blocks=st.integers(12, 30),
    chunk_tokens=st.sampled_from([None, 8]),
)
def test_under_random_load_what_is_found_is_what_was_looked_for(arrivals, num_blocks, chunk_tokens):
    """Prompts of two tokens meet often; blocks are few, so sequences are preempted and what is kept is evicted."""
    engine = Engine(num_blocks, 16, chunk_tokens)
    sequences = []
    for num_steps, prompt, max_tokens, is_cancelling, is_scored, salt in arrivals:
        for number in range(num_steps):
            engine.step(number % 2)
        if is_cancelling and sequences:
            engine.scheduler.remove(sequences[len(sequences) // 2])
        sequences.append(sequence([*prompt, 1], max_tokens, is_scored, salt))
        engine.scheduler.add(sequences[-1])
    for number in range(10_000):
        if not engine.scheduler.has_work:
            break
        assert engine.step(number % 2)
    assert not engine.scheduler.has_work
    assert engine.pool.num_taken == 0
