"""Slots over a context that remembers what it was given: the next token is the sum of a sequence's tokens so far."""

import pytest

from benchmarks.peers.batching_thread import Request
from benchmarks.peers.slots import Slots


class SummingContext:
    """Holds a sequence's tokens in place of keys and values, and refuses gaps."""

    def __init__(self) -> None:
        self.held: dict[int, list[int]] = {}
        self.steps: list[list[int]] = []  # the numbers of tokens that each chunk of a step had

    def decode(self, chunks):
        self.steps.append([len(chunk.tokens) for chunk in chunks])
        found = {}
        for chunk in chunks:
            tokens = self.held.setdefault(chunk.sequence, [])
            assert chunk.position == len(tokens)
            tokens += chunk.tokens
            if chunk.wants_next:
                found[chunk.sequence] = sum(tokens)
        return found

    def forget(self, sequence, position):
        del self.held[sequence][position:]


def request(prompt, num_tokens):
    """Return a request, and the list that what it gets is put into."""
    items = []
    return Request(prompt, num_tokens, items.append), items


def run(slots):
    for _ in range(100):
        if slots.is_idle:
            return
        for sink, item in slots.step():
            sink(item)
    raise AssertionError("it does not end")


def reply(prompt, num_tokens):
    tokens = list(prompt)
    for _ in range(num_tokens):
        tokens.append(sum(tokens))
    return [*((0, [token]) for token in tokens[len(prompt) :]), None]


@pytest.mark.parametrize("max_batch_tokens", [2, 4, 100])
@pytest.mark.parametrize("keeps_prompts", [False, True])
def test_each_request_gets_its_tokens_and_an_end_whatever_runs_beside_it(max_batch_tokens, keeps_prompts):
    slots = Slots(SummingContext(), 2, max_batch_tokens, keeps_prompts)
    asked = [([1, 2, 3, 4, 5], 3), ([7], 1), ([1, 2, 3], 4), ([1, 2, 3, 4, 6], 2)]
    got = []
    for prompt, num_tokens in asked:
        each, items = request(prompt, num_tokens)
        slots.add(each)
        got.append(items)
    run(slots)
    assert got == [reply(*each) for each in asked]


def test_running_requests_go_before_prompts_which_fill_the_batch():
    context = SummingContext()
    slots = Slots(context, 3, 6)
    slots.add(request([1, 2], 9)[0])
    slots.step()
    slots.add(request([1] * 8, 1)[0])
    slots.add(request([1] * 3, 1)[0])
    for _ in range(3):
        slots.step()
    assert context.steps == [[2], [1, 5], [1, 3, 2], [1, 1]]


def test_what_is_finished_leaves_nothing_behind():
    context = SummingContext()
    slots = Slots(context, 1, 100)
    for _ in range(2):
        slots.add(request([1, 2, 3], 2)[0])
        run(slots)
    assert context.steps == [[3], [1], [3], [1]]


def test_a_kept_prompt_is_not_computed_again_but_for_its_last_token():
    context = SummingContext()
    slots = Slots(context, 2, 100, keeps_prompts=True)
    for prompt in ([1, 2, 3, 4], [9, 8]):
        slots.add(request(prompt, 1)[0])
    run(slots)
    for prompt in ([9, 8], [1, 2, 3, 5, 6]):
        each, items = request(prompt, 1)
        slots.add(each)
        run(slots)
        assert items == reply(prompt, 1)
    assert context.steps == [[4, 2], [1], [2]]
