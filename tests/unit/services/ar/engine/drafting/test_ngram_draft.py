"""What is proposed, against a search of the whole text; and how much, as drafts come true or not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ar.engine.drafting.ngram_draft import NgramDraft


@pytest.mark.parametrize(
    ("token_ids", "expected"),
    [
        ([], []),
        ([1], []),
        ([1, 2, 3, 4, 5], []),
        ([1, 2, 3, 4, 5, 1, 2], [3, 4, 5]),
        ([1, 2, 3, 4, 1, 2, 5, 6, 7, 1, 2], [5, 6, 7]),  # the latest of two
        ([0, 1, 2, 3, 4, 9, 1, 2, 5, 6, 7, 0, 1, 2], [3, 4, 9]),  # a longer match before a later one
        ([5, 5, 5], [5, 5, 5]),  # a loop goes on
        ([1, 2, 1, 2], [1, 2, 1]),
    ],
)
def test_what_followed_the_last_tokens_before_is_proposed(token_ids, expected):
    assert NgramDraft(3).propose(token_ids, 8) == expected


def test_no_more_is_proposed_than_is_wanted():
    assert NgramDraft(8).propose([1, 2, 3, 4, 5, 1, 2], 2) == [3, 4]
    assert NgramDraft(8).propose([1, 2, 3, 4, 5, 1, 2], 0) == []


@given(
    st.lists(st.integers(0, 3), max_size=60),
    st.lists(st.integers(0, 5), min_size=1, max_size=10),
)
def test_a_text_that_grows_is_as_one_that_is_searched_anew(token_ids, growths):
    draft, length = NgramDraft(5), 0
    for growth in growths:
        length += growth
        assert draft.propose(token_ids[:length], 5) == searched(token_ids[:length], 5)


def searched(token_ids: list[int], count: int) -> list[int]:
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


def test_as_many_are_proposed_as_lately_came_true():
    draft = NgramDraft(8)
    assert lengths(draft, 0.5, 5) == [8, 4, 2, 1, 0]
    assert lengths(draft, 1.0, 5) == [1, 2, 4, 8, 8]


def test_drafts_that_are_wrong_become_rare_and_return_with_the_first_that_is_right():
    draft = NgramDraft(8)
    found = lengths(draft, 0.0, 200)
    proposed = [step for step, length in enumerate(found) if length]
    gaps = [after - before - 1 for before, after in pairwise(proposed)]
    assert gaps[:6] == [1, 2, 4, 8, 16, 16]
    assert sum(found) < 8 + 200 / 10
    assert lengths(draft, 1.0, 20)[-4:] == [8] * 4
