"""The state of a sequence in a grammar. Implements `engine.token_mask.TokenMask`; used by one thread at a time."""

import time
from collections.abc import Iterator, Sequence

from llguidance import LLMatcher

from runtime.memory import Reservation
from tandem.shared.errors import TooComplex

BURST_SECONDS = 0.05
SECONDS_A_MASK = 0.001
"""The masks of a usual schema take 0.02 to 0.2 ms on average, a first one now and then 10 ms."""


class Allowance:
    """So much time for each mask, and a burst on top of it, which fills up again.

    `clock` tells seconds. It is the wall's until something took longer than a mask may, perhaps as the machine stood
    still, and the thread's own from then on: to ask for that can take as long as a mask.
    """

    def __init__(self) -> None:
        self._left_seconds = BURST_SECONDS
        self.clock = time.perf_counter

    def spend(self, seconds: float, num_masks: int) -> None:
        """Note that so many masks took so long. Raises TooComplex if that is more than there was."""
        if self.clock is time.perf_counter:
            if seconds > SECONDS_A_MASK:
                self.clock = time.thread_time
            return
        self._left_seconds = min(BURST_SECONDS, self._left_seconds + num_masks * SECONDS_A_MASK - seconds)
        if self._left_seconds < 0.0:
            raise TooComplex("the constraint takes too long to follow")


class GrammarMask:
    """Owns `matcher`; `allowance` and `reservation` are those of all masks of a request.

    Drafts are tried on copies, so that a rejected draft leaves no trace. Copies share a lexer, so its
    limits are those of a whole request.
    """

    def __init__(self, matcher: LLMatcher, allowance: Allowance, reservation: Reservation | None = None) -> None:
        self._matcher = matcher
        self._reservation = reservation
        self._allowance = allowance

    @property
    def is_complete(self) -> bool:
        return bool(self._matcher.is_stopped()) and not self._matcher.is_error()

    def masks(self, draft: Sequence[int]) -> list[bytes]:
        clock = self._allowance.clock
        started = clock()
        masks = [self._matcher.compute_bitmask()]
        check(self._matcher)
        if draft:
            masks.extend(self._masks_behind(draft))
        self._allowance.spend(clock() - started, 1 + len(draft))
        return masks

    def _masks_behind(self, draft: Sequence[int]) -> Iterator[bytes]:
        trial = self._matcher.deep_copy() if draft else self._matcher
        for token_id in draft:
            if not trial.try_consume_tokens([token_id]) or trial.is_stopped():
                return
            mask = trial.compute_bitmask()
            if trial.is_error():
                return
            yield mask

    def num_allowed(self, draft: Sequence[int]) -> int:
        clock, trial, number = self._allowance.clock, self._matcher.deep_copy(), 0
        started = clock()
        while number < len(draft) and trial.try_consume_tokens([draft[number]]) and not trial.is_stopped():
            number += 1
        self._allowance.spend(clock() - started, number)
        return number

    def advance(self, token_ids: Sequence[int]) -> None:
        clock = self._allowance.clock
        started = clock()
        num_taken = self._matcher.try_consume_tokens(list(token_ids))
        self._allowance.spend(clock() - started, len(token_ids))
        check(self._matcher)
        if num_taken < len(token_ids):
            raise ValueError(f"token {token_ids[num_taken]} was generated, which the grammar rules out")

    def take_certain(self, most: int) -> list[int]:
        taken: list[int] = []
        clock = self._allowance.clock
        started = clock()
        # The first alone, each time: behind it, the tokenizer may write the same text in other tokens.
        while len(taken) < most and (certain := self._matcher.compute_ff_tokens()[:1]):
            self.advance(certain)
            taken.extend(certain)
        self._allowance.spend(clock() - started, len(taken))
        return taken


def request_masks(matcher: LLMatcher, count: int, reservation: Reservation | None = None) -> list[GrammarMask]:
    """Return masks for `count` sequences of one request. They hold its `reservation` until the last is gone."""
    allowance = Allowance()
    return [GrammarMask(matcher.deep_copy(), allowance, reservation) for _ in range(count)]


def check(matcher: LLMatcher) -> None:
    """Raises TooComplex if a matcher has met one of its limits."""
    if matcher.is_error():
        reason = matcher.get_error().partition("\n")[0].partition(";")[0]
        raise TooComplex(f"the constraint cannot be followed any further: {reason[:200]}")
