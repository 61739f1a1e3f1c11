"""Generation with drafts is generation without: same tokens, same ends; fewer steps. What is proposed, and how much."""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.drafting import NgramDraft, TextDrafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Work
from tests.unit.services.ar.engine.rig import BLOCK_SIZE, StepEngine

END = 3


def next_token(sequence: Sequence, history: tuple[int, ...]) -> int:
    """Return the next token of a text of four tokens that often repeats itself, and now and then does not."""
    return random.Random(repr((sequence.params.seed, history[-2:], len(history) // 20))).randrange(4)


def sequence(prompt: list[int], max_tokens: int = 40, seed: int = 0, **parameters: object) -> Sequence:
    return Sequence(prompt, SamplingParams(seed=seed, max_tokens=max_tokens, **parameters), frozenset({END}))


def test_a_text_that_repeats_itself_takes_fewer_steps():
    drafter = TextDrafter(8, 64)
    with_drafts, without = (
        StepEngine(next_token, drafter=each).run(*(sequence([0, 1], 60, seed, ignore_eos=True) for seed in range(4)))
        for each in (drafter, None)
    )
    assert len(without) == 60
    assert len(with_drafts) <= 45
    num_tokens = 4 * 60
    assert 0 < drafter.num_accepted_tokens < drafter.num_drafted_tokens < num_tokens


def test_the_output_ends_where_a_token_ends_it_though_more_had_been_drafted():
    """In the prompt a 9 stands behind the tokens that the model will end after."""
    drafter = TextDrafter(8, 64)
    scheduler = Scheduler(BlockPool(16, BLOCK_SIZE), 4, 32, drafter=drafter)
    ended = Sequence([1, 2, 5, 6, 9, 1, 2], SamplingParams(), frozenset({END}))
    scheduler.add(ended)
    scheduler.commit(scheduler.schedule(), [[SampledToken(5)]])
    (work,) = batch = scheduler.schedule()
    assert work.draft == (6, 9, 1, 2, 5, 6, 9, 1)
    sampled = [SampledToken(token_id) for token_id in (6, END, 1, 2, 5, 6, 9, 1, 2)]
    (progress,) = scheduler.commit(batch, [sampled])
    assert [token.token_id for token in progress.tokens] == [6, END]
    assert progress.finish_reason is FinishReason.STOP
    assert not scheduler.has_work
    assert (drafter.num_drafted_tokens, drafter.num_accepted_tokens) == (8, 1)


def test_what_a_head_predicts_is_drafted_where_nothing_can_be_copied():
    """The text never repeats itself; of what is predicted, the third token is wrong each time."""
    drafter = TextDrafter(4, 8, has_head=True)
    engine = StepEngine(
        lambda one, history: len(history) * 10,
        drafter=drafter,
        predict=lambda one, place: place * 10 if place % 3 else 5,
    )
    (num_prompt, *steps) = engine.run(Sequence([0, 10], SamplingParams(max_tokens=30)))
    ((_, brought),) = engine.brought.items()
    assert brought == [place * 10 for place in range(2, 32)]
    assert (num_prompt, len(steps) < 20) == (2, True)
    assert drafter.num_accepted_tokens == 30 - 1 - len(steps)
    asked = Sequence([0, 10], SamplingParams(max_tokens=30, speculative_tokens=0))
    assert StepEngine(lambda one, history: 1, drafter=drafter).run(asked) == [2] + [1] * 29
    assert (asked.num_drafted_tokens, asked.num_accepted_tokens) == (0, 0)


class Certain:
    """A mask that leaves no choice about most tokens: they are the ones that `next_token` draws."""

    is_complete = False

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._token_ids = list(sequence.prompt_token_ids)

    def num_allowed(self, draft: tuple[int, ...]) -> int:
        return len(draft)

    def advance(self, token_ids: list[int]) -> None:
        self._token_ids.extend(token_ids)

    def take_certain(self, most: int) -> list[int]:
        first = len(self._token_ids)
        while len(self._token_ids) < first + most and len(self._token_ids) % 7:
            self._token_ids.append(next_token(self._sequence, tuple(self._token_ids)))
        return self._token_ids[first:]


def test_what_a_mask_leaves_no_choice_about_is_computed_with_the_next_token():
    held = sequence([0, 1], 20, ignore_eos=True)
    held.token_mask = Certain(held)
    assert StepEngine(next_token).run(held) == [2, 5, 7, 7]
    told = sequence([0, 1], 20, ignore_eos=True, logprobs=True)
    told.token_mask = Certain(told)
    assert StepEngine(next_token).run(told) == [2] + [1] * 19
    assert told.token_ids == held.token_ids


def draft_of(drafter: TextDrafter, drafting: Sequence, max_rows: int = 8) -> tuple[int, ...]:
    return drafter.add_draft(Work(drafting, 1), max_rows).draft


def test_nothing_is_drafted_behind_which_no_token_is_wanted():
    drafter = TextDrafter(8, 64)
    assert draft_of(drafter, sequence([1, 2, 5, END, 6, 1, 2])) == (5,)
    assert draft_of(drafter, sequence([1, 2, 5, END, 6, 1, 2], ignore_eos=True))[:3] == (5, END, 6)
    assert draft_of(drafter, sequence([1, 2, 5, 6, 1, 2], stop_token_ids=frozenset({6}))) == (5,)
    assert draft_of(drafter, sequence([1, 2, 5, 6, 1, 2], max_tokens=3)) == (5, 6)
    assert draft_of(drafter, sequence([1, 2, 5, 6, 1, 2], max_tokens=1)) == ()
    assert draft_of(drafter, sequence([1, 2, 5, 6, 1, 2]), max_rows=1) == (5,)


def loop(num_tokens: int, max_tokens: int = 40) -> Sequence:
    """Return a sequence with a token to compute, which will draft whatever it may."""
    return Sequence([7] * num_tokens, SamplingParams(max_tokens=max_tokens))


def works(scheduler: Scheduler) -> list[tuple[int, int]]:
    """Schedule and commit a step in which every token is a 7; return tokens and drafted ones of each work."""
    batch = scheduler.schedule()
    tokens = [[SampledToken(7)] * (1 + len(work.draft)) if work.completes else [] for work in batch]
    shape = [(work.num_tokens, len(work.draft)) for work in batch]
    scheduler.commit(batch, tokens)
    scheduler.check_integrity()
    return shape


def test_drafts_get_the_tokens_of_a_step_that_nobody_else_wants():
    scheduler = Scheduler(BlockPool(64, BLOCK_SIZE), 4, 16, drafter=TextDrafter(8, 64))
    for _ in range(2):
        scheduler.add(loop(6))
    assert works(scheduler) == [(6, 0), (6, 0)]
    assert works(scheduler) == [(8, 7), (8, 7)]
    scheduler.add(loop(20))
    assert works(scheduler) == [(1, 0), (1, 0), (14, 0)]
    assert works(scheduler) == [(5, 4), (5, 4), (6, 0)]


def test_drafts_keep_a_step_within_its_rows_and_what_one_leaves_is_for_the_next():
    scheduler = Scheduler(BlockPool(64, BLOCK_SIZE), 4, 64, drafter=TextDrafter(8, max_rows=10))
    scheduler.add(Sequence([1, 2, 3, 4], SamplingParams()))  # has nothing to draft
    scheduler.add(loop(4))
    scheduler.add(loop(4))
    assert works(scheduler) == [(4, 0), (4, 0), (4, 0)]
    assert works(scheduler) == [(1, 0), (5, 4), (4, 3)]
    scheduler.add(loop(9))
    assert works(scheduler) == [(1, 0), (1, 0), (1, 0), (9, 0)]


def test_nothing_is_drafted_where_there_is_no_row_for_each():
    scheduler = Scheduler(BlockPool(64, BLOCK_SIZE), 8, 64, drafter=TextDrafter(8, max_rows=8))
    for _ in range(4):
        scheduler.add(loop(4))
    works(scheduler)
    assert works(scheduler) == [(2, 1)] * 4
    scheduler.add(loop(4))
    works(scheduler)
    assert works(scheduler) == [(1, 0)] * 5


@settings(max_examples=250)
@given(
    arrivals=st.lists(
        st.tuples(
            st.integers(0, 5),  # steps before it comes
            st.lists(st.integers(0, 1), min_size=1, max_size=30),
            st.booleans(),  # whether an earlier one is cancelled
            st.integers(1, 30),  # tokens it may bring
            st.integers(0, 3),  # seed
            st.booleans(),  # whether it ignores the end token
            st.booleans() | st.just(False),  # whether it is scored
            st.booleans() | st.just(False),  # whether a mask leaves no choice about some of its tokens
            st.sampled_from([b"", b"", b"alice", b"bob"]),
        ),
        min_size=1,
        max_size=20,
    ),
    num_blocks=st.integers(16, 40),
    max_tokens=st.integers(0, 9),
    chunk_tokens=st.sampled_from([None, 8]),
    max_batch_tokens=st.integers(11, 40),
)
def test_under_random_load_all_end_with_the_output_that_each_has_alone_without_drafts(
    arrivals, num_blocks, max_tokens, chunk_tokens, max_batch_tokens
):
    """Prompts of two tokens meet often; blocks are few, so sequences are preempted and what is kept is evicted."""
    drafter = TextDrafter(max_tokens, 64) if max_tokens else None
    engine = StepEngine(next_token, num_blocks, max_batch_tokens, chunk_tokens, drafter)
    sequences, cancelled = [], set()
    for num_steps, prompt, is_cancelling, num_tokens, seed, ignores_end, is_scored, is_held, salt in arrivals:
        for _ in range(num_steps):
            engine.step()
        if is_cancelling and sequences and engine.scheduler.remove(earlier := sequences[len(sequences) // 2]):
            cancelled.add(id(earlier))
        params = SamplingParams(seed=seed, max_tokens=num_tokens, ignore_eos=ignores_end)
        sequences.append(Sequence([*prompt, 1], params, frozenset({END}), is_scored=is_scored, cache_salt=salt))
        sequences[-1].token_mask = Certain(sequences[-1]) if is_held and not is_scored else None
        engine.scheduler.add(sequences[-1])
    engine.run()
    for one in sequences:
        (again := StepEngine(next_token)).run(Sequence(one.prompt_token_ids, one.params, one.eos_token_ids))
        ((_, alone),) = again.brought.items()
        brought, expected = engine.brought.get(one, []), one.token_ids[1:] if one.is_scored else alone
        assert brought == (expected[: len(brought)] if id(one) in cancelled else expected)


def test_what_followed_the_last_tokens_before_is_proposed():
    for token_ids, expected in (
        ([], []),
        ([1, 2, 3, 4, 5], []),
        ([1, 2, 3, 4, 5, 1, 2], [3, 4, 5]),
        ([1, 2, 3, 4, 1, 2, 5, 6, 7, 1, 2], [5, 6, 7]),  # the latest of two
        ([0, 1, 2, 3, 4, 9, 1, 2, 5, 6, 7, 0, 1, 2], [3, 4, 9]),  # a longer match before a later one
        ([5, 5, 5], [5, 5, 5]),  # a loop goes on
    ):
        assert NgramDraft(3).propose(token_ids, 8) == expected


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 5), min_size=1, max_size=10))
def test_a_text_that_grows_is_as_one_that_is_searched_anew(token_ids, growths):
    draft, length = NgramDraft(5), 0
    for growth in growths:
        length += growth
        assert draft.propose(token_ids[:length], 5) == search(token_ids[:length], 5)


def search(token_ids: list[int], count: int) -> list[int]:
    """Return what follows the latest of the longest matches, looked for from the end backwards."""
    for length in (4, 3, 2):
        for place in range(len(token_ids) - 1, length - 1, -1):
            if token_ids[place - length : place] == token_ids[-length:]:
                found = list(token_ids)
                for number in range(count):
                    found.append(found[place + number])
                return found[len(token_ids) :]
    return []


def lengths(draft: NgramDraft, share: float, num_steps: int) -> list[int]:
    """Return how many tokens are proposed in each step of a loop when `share` of each draft comes true."""
    found = []
    for _ in range(num_steps):
        found.append(len(draft.propose([1, 2, 1, 2], 100)))
        if found[-1]:
            draft.judge(found[-1], int(share * found[-1]))
    return found


def test_as_many_are_proposed_as_lately_came_true_and_wrong_ones_become_rare_until_one_is_right():
    draft = NgramDraft(8)
    assert lengths(draft, 0.5, 5) == [8, 4, 2, 1, 0]
    assert lengths(draft, 1.0, 5) == [1, 2, 4, 8, 8]
    found = lengths(draft, 0.0, 200)
    proposed = [step for step, length in enumerate(found) if length]
    assert [after - before - 1 for before, after in pairwise(proposed)][:6] == [1, 2, 4, 8, 16, 16]
    assert lengths(draft, 1.0, 20)[-4:] == [8] * 4
