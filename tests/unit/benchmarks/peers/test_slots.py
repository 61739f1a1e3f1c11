"""Slots over a context that remembers what it was given: the next token is the sum of a sequence's tokens so far."""

import pytest

from benchmarks.peers.slots import Slots
from benchmarks.peers.text_server import Request


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

    def forget(self, sequence):
        self.held[sequence].clear()


def run(slots):
    got = {}
    for _ in range(100):
        if slots.is_idle:
            return got
        for request, tokens in slots.step():
            got.setdefault(request, []).extend(tokens)
    raise AssertionError("it does not end")


def reply(prompt, num_tokens):
    tokens = list(prompt)
    for _ in range(num_tokens):
        tokens.append(sum(tokens))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("max_batch_tokens", [2, 4, 100])
def test_each_request_gets_its_tokens_whatever_runs_beside_it(max_batch_tokens):
    slots = Slots(SummingContext(), 2, max_batch_tokens)
    asked = [([1, 2, 3, 4, 5], 3), ([7], 1), ([1, 2, 3], 4), ([1, 2, 3, 4, 6], 2)]
    requests = [Request(prompt, num_tokens) for prompt, num_tokens in asked]
    for request in requests:
        slots.add(request)
    got = run(slots)
    assert [got[request] for request in requests] == [reply(prompt, num_tokens) for prompt, num_tokens in asked]


def test_running_requests_go_before_prompts_which_fill_the_batch():
    context = SummingContext()
    slots = Slots(context, 3, 6)
    slots.add(Request([1, 2], 9))
    slots.step()
    slots.add(Request([1] * 8, 1))
    slots.add(Request([1] * 3, 1))
    for _ in range(3):
        slots.step()
    assert context.steps == [[2], [1, 5], [1, 3, 2], [1, 1]]
