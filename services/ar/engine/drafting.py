"""Speculative decoding: a decoding sequence takes along what may be its next tokens, and one step checks them all.

Each place's token is sampled from the model's own distribution there, with that place's own random number, and a draft
holds as far as it is what was sampled. As a draft is one definite token a place, that accepts it as often as the
rejection sampling of Leviathan et al. 2023 and Chen et al. 2023 does, and the output is the very one there would have
been without drafts. Knows sequences, not the model.
"""

import dataclasses
from abc import ABC, abstractmethod
from itertools import takewhile
from weakref import WeakKeyDictionary

from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work


class Drafter(ABC):
    """Where drafts come from is a subclass' own.

    max_tokens: tokens that a sequence may draft in a step, unless its request allows fewer. max_rows: rows that a step
    with drafts may have, over all sequences. With more rows, drafts take longer to check than they save.
    """

    def __init__(self, max_tokens: int, max_rows: int) -> None:
        self._max_tokens = max_tokens
        self.max_rows = max_rows
        self.num_drafted_tokens = 0
        self.num_accepted_tokens = 0
        self._predicted: WeakKeyDictionary[Sequence, dict[int, int]] = WeakKeyDictionary()  # by place in the sequence

    @abstractmethod
    def add_draft(self, work: Work, max_rows: int) -> Work:
        """Return a work that decodes with a draft of at most `max_rows` rows more, as it is if there is none."""

    def judge(self, work: Work, num_accepted: int) -> None:
        """Note how many tokens of a work's draft held, and what was predicted in its step; before they are entered."""
        self.num_drafted_tokens += len(work.draft)
        self.num_accepted_tokens += num_accepted
        work.sequence.num_drafted_tokens += len(work.draft)
        work.sequence.num_accepted_tokens += num_accepted
        self._learn(work, num_accepted)

    @abstractmethod
    def _learn(self, work: Work, num_accepted: int) -> None: ...

    def _most_tokens(self, sequence: Sequence) -> int:
        """Return how many tokens a draft may have: behind its last, one more is wanted."""
        wanted, asked = sequence.params.max_tokens - sequence.num_output_tokens - 1, sequence.params.speculative_tokens
        return min(wanted, self._max_tokens if asked is None else asked, self._max_tokens)

    def _predicted_tokens(self, sequence: Sequence, count: int) -> tuple[int, ...]:
        """Return what earlier steps predict of the next `count` tokens, up to the first that they do not."""
        predicted, first = self._predicted.setdefault(sequence, {}), len(sequence.token_ids)
        places = takewhile(predicted.__contains__, range(first, first + count))
        return tuple(predicted[place] for place in places)


_LENGTHS = (4, 3, 2)
"""Of the n-grams looked up, the longest first: the more tokens agree, the likelier do those behind them."""

_LONGEST_PAUSE_STEPS = 16


class TextDrafter(Drafter):
    """Drafts the tokens of texts: those that followed the last ones before, or those that a draft head predicts.

    has_head: whether the model has one.
    """

    def __init__(self, max_tokens: int, max_rows: int, has_head: bool = False) -> None:
        super().__init__(max_tokens, max_rows)
        self._has_head = has_head
        self._copies: WeakKeyDictionary[Sequence, NgramDraft] = WeakKeyDictionary()

    def add_draft(self, work: Work, max_rows: int) -> Work:
        most = min(max_rows, self._most_tokens(work.sequence))
        if most <= 0:
            return work
        draft = self._draft(work.sequence, most)
        num_predicted = most if self._has_head else 0
        num_tokens = work.num_tokens + len(draft)
        return dataclasses.replace(work, num_tokens=num_tokens, draft=draft, num_predicted=num_predicted)

    def _draft(self, sequence: Sequence, max_tokens: int) -> tuple[int, ...]:
        """Return what may follow, and nothing behind which no token is wanted."""
        source = self._copies.setdefault(sequence, NgramDraft(self._max_tokens))
        proposed = source.propose(sequence.token_ids, max_tokens) or self._predicted_tokens(sequence, max_tokens)
        ending = sequence.ending_token_ids
        draft = tuple(takewhile(lambda token_id: token_id not in ending, proposed))
        if draft and sequence.token_mask is not None:
            return draft[: sequence.token_mask.num_allowed(draft)]
        return draft

    def _learn(self, work: Work, num_accepted: int) -> None:
        copies = self._copies[work.sequence]
        if work.draft and copies.is_tried:
            copies.judge(len(work.draft), num_accepted)
        first = len(work.sequence.token_ids) + 1 + num_accepted
        self._predicted[work.sequence] = dict(enumerate(work.predicted, first))


class NgramDraft:
    """What one sequence is to draft.

    Proposes up to `max_tokens` tokens a step, as many as lately came true.

    A draft that came true whole doubles the next, one that did not cuts it to what was right in it, at least a token.
    After one that was wrong from its first token on, steps go by without: 1, 2, 4, up to 16, until one is right again.
    So text that does not repeat itself pays for a wrong token now and then.
    """

    def __init__(self, max_tokens: int) -> None:
        self.is_tried = False
        """Whether what was proposed last is any token at all."""
        self._max_tokens = max_tokens
        self._num_tokens = max_tokens  # of the next draft, at most
        self._pause_steps = 0
        self._steps_to_wait = 0
        self._following: dict[tuple[int, ...], int] = {}  # by n-gram: the place behind its last occurrence
        self._num_looked_at = 0

    def propose(self, token_ids: list[int], max_tokens: int) -> list[int]:
        """Return what may follow `token_ids`, which only ever grow; called once a step."""
        self.is_tried = False
        if self._steps_to_wait:
            self._steps_to_wait -= 1
            return []
        self._note(token_ids)
        known = (ngram for ngram in _ngrams(token_ids, len(token_ids)) if ngram in self._following)
        longest = next(known, None)
        if longest is None:
            return []
        self.is_tried = True
        return _copy(token_ids, self._following[longest], min(self._num_tokens, max_tokens))

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


def _copy(token_ids: list[int], place: int, count: int) -> list[int]:
    """Return `count` tokens from `place` on; if they end before that, from there once more, as in a loop."""
    period = len(token_ids) - place
    return [token_ids[place + number % period] for number in range(count)]


class MaskedDrafter(Drafter):
    """Drafts the tokens of sequences that have a `mask_token_id`, all `max_tokens` of them or none.

    Half of the rows of such a draft are MASK rows, so where rows count it pays only to a sequence that is nearly alone.
    A prediction stays when a token before it turns out to be another one: most come true all the same.
    """

    def add_draft(self, work: Work, max_rows: int) -> Work:
        """Return the work with the predictions of earlier steps as its draft, and MASK rows for those of the next.

        The first MASK row predicts only what the check computes too, but those after it were trained with it.
        """
        sequence, most = work.sequence, self._most_tokens(work.sequence)
        if sequence.mask_token_id is None or most <= 0 or max_rows <= 2 * self._max_tokens:
            return work
        draft = self._predicted_tokens(sequence, most)
        if draft and sequence.token_mask is not None:
            draft = draft[: sequence.token_mask.num_allowed(draft)]
        room = sequence.params.max_tokens - sequence.num_output_tokens - 1 - len(draft)
        num_predicted = min(self._max_tokens, room)
        num_masked = 1 + num_predicted if num_predicted else 0
        num_tokens = work.num_tokens + len(draft) + num_masked
        return dataclasses.replace(work, num_tokens=num_tokens, draft=draft, num_masked=num_masked)

    def _learn(self, work: Work, num_accepted: int) -> None:
        # The first MASK row stands where the last of the checked tokens goes.
        first_place = work.positions.start + work.num_given + 1 + len(work.draft)
        self._predicted[work.sequence].update(enumerate(work.predicted, first_place))
