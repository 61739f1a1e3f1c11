"""What may come next in a sequence, guessed from the sequence itself: what followed when its last tokens stood there
before. Knows nothing of the model.

Prompt look-up decoding (Saxena 2023), the model's own output included, as in LLMA (Yang et al. 2023).
"""

import dataclasses
from itertools import takewhile
from weakref import WeakKeyDictionary

from services.ar.engine.drafting.drafter import Drafter, most_tokens
from services.ar.engine.sequence import SampledToken, Sequence
from services.ar.engine.step import Work

_LENGTHS = (4, 3, 2)
"""Of the n-grams looked up, the longest first: the more tokens agree, the likelier do those behind them."""

_LONGEST_PAUSE_STEPS = 16


class NgramDrafter(Drafter):
    """Drafts the tokens of texts."""

    def __init__(self, max_tokens: int, max_rows: int) -> None:
        super().__init__(max_tokens, max_rows)
        self._drafts: WeakKeyDictionary[Sequence, NgramDraft] = WeakKeyDictionary()

    def drafted(self, work: Work, max_rows: int) -> Work:
        draft = self._draft(work.sequence, min(max_rows, most_tokens(work.sequence)))
        return dataclasses.replace(work, num_tokens=work.num_tokens + len(draft), draft=draft)

    def _draft(self, sequence: Sequence, max_tokens: int) -> tuple[int, ...]:
        """Return what may follow, and nothing behind which no token is wanted."""
        source = self._drafts.setdefault(sequence, NgramDraft(self._max_tokens))
        proposed = source.propose(sequence.token_ids, max_tokens)
        ending = sequence.ending_token_ids
        draft = tuple(takewhile(lambda token_id: token_id not in ending, proposed))
        if draft and sequence.token_mask is not None:
            return draft[: sequence.token_mask.num_allowed(draft)]
        return draft

    def _learn(self, work: Work, tokens: list[SampledToken], num_accepted: int) -> None:
        self._drafts[work.sequence].judge(len(work.draft), num_accepted)


class NgramDraft:
    """What one sequence is to draft.

    Proposes up to `max_tokens` tokens a step, as many as lately came true.

    A draft that came true whole doubles the next, one that did not cuts it to what was right in it, at least a token.
    After one that was wrong from its first token on, steps go by without: 1, 2, 4, up to 16, until one is right again.
    So text that does not repeat itself pays for a wrong token now and then.
    """

    def __init__(self, max_tokens: int) -> None:
        self._max_tokens = max_tokens
        self._num_tokens = max_tokens  # of the next draft, at most
        self._pause_steps = 0
        self._steps_to_wait = 0
        self._following: dict[tuple[int, ...], int] = {}  # by n-gram: the place behind its last occurrence
        self._num_looked_at = 0

    def propose(self, token_ids: list[int], max_tokens: int) -> list[int]:
        """Return what may follow `token_ids`, which only ever grow; called once a step."""
        if self._steps_to_wait:
            self._steps_to_wait -= 1
            return []
        self._note(token_ids)
        known = (ngram for ngram in _ngrams(token_ids, len(token_ids)) if ngram in self._following)
        longest = next(known, None)
        count = min(self._num_tokens, max_tokens)
        return [] if longest is None else _copied(token_ids, self._following[longest], count)

    def judge(self, num_drafted: int, num_accepted: int) -> None:
        """Learn how many tokens of the last draft came true."""
        is_whole = num_accepted == num_drafted
        self._num_tokens = min(2 * self._num_tokens, self._max_tokens) if is_whole else max(1, num_accepted)
        self._pause_steps = 0 if num_accepted else min(max(1, 2 * self._pause_steps), _LONGEST_PAUSE_STEPS)
        self._steps_to_wait = self._pause_steps

    def _note(self, token_ids: list[int]) -> None:
        """Take in the n-grams that something follows by now."""
        for place in range(self._num_looked_at, len(token_ids)):
            for ngram in _ngrams(token_ids, place):
                self._following[ngram] = place
        self._num_looked_at = len(token_ids)


def _ngrams(token_ids: list[int], place: int) -> list[tuple[int, ...]]:
    """Return the n-grams that end right before `place`, the longest first."""
    return [tuple(token_ids[place - length : place]) for length in _LENGTHS if length <= place]


def _copied(token_ids: list[int], place: int, count: int) -> list[int]:
    """Return `count` tokens from `place` on; if they end before that, from there once more, as in a loop."""
    period = len(token_ids) - place
    return [token_ids[place + number % period] for number in range(count)]
