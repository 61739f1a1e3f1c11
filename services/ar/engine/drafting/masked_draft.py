"""What may come next in a sequence, predicted by the model itself: each step takes MASK rows along behind its draft.

A MASK row's logits give a token for its place, without those between the draft and it. Their tokens are drawn with the
random numbers of their places, which the check uses as well, so where both distributions are alike, both draw the same
token. Drafts like those of Set Block Decoding (Gat et al. 2025, arXiv 2509.04185), but checked, so the output is that
of one token a step.
"""

import dataclasses
from weakref import WeakKeyDictionary

from services.ar.engine.drafting.drafter import Drafter, most_tokens
from services.ar.engine.sequence import SampledToken, Sequence
from services.ar.engine.step import Work


class MaskedDrafter(Drafter):
    """Drafts the tokens of sequences that have a `mask_token_id`, all `max_tokens` of them or none.

    Half of the rows of such a draft are MASK rows, so where rows count it pays only to a sequence that is nearly alone.
    """

    def __init__(self, max_tokens: int, max_rows: int) -> None:
        super().__init__(max_tokens, max_rows)
        self._drafts: WeakKeyDictionary[Sequence, MaskedDraft] = WeakKeyDictionary()

    def drafted(self, work: Work, max_rows: int) -> Work:
        """Return the work with the predictions of earlier steps as its draft, and MASK rows for those of the next.

        The first MASK row predicts only what the check computes too, but those after it were trained with it.
        """
        sequence, room = work.sequence, most_tokens(work.sequence)
        if sequence.mask_token_id is None or max_rows <= 2 * self._max_tokens:
            return work
        source = self._drafts.setdefault(sequence, MaskedDraft())
        draft = tuple(source.propose(len(sequence.token_ids), min(self._max_tokens, room)))
        num_predicted = min(self._max_tokens, room - len(draft))
        num_masked = 1 + num_predicted if num_predicted else 0
        num_tokens = work.num_tokens + len(draft) + num_masked
        return dataclasses.replace(work, num_tokens=num_tokens, draft=draft, num_masked=num_masked)

    def _learn(self, work: Work, tokens: list[SampledToken], num_accepted: int) -> None:
        # The first MASK row stands where the last of the checked tokens goes.
        num_checked = 1 + len(work.draft)
        first_place = work.positions.start + 1 + num_checked
        self._drafts[work.sequence].learn(first_place, [token.token_id for token in tokens[num_checked:]])


class MaskedDraft:
    """Keeps what was predicted for places of one sequence, until their turn comes.

    A prediction stays when a token before it turns out to be another one: most come true all the same.
    """

    def __init__(self) -> None:
        self._predicted: dict[int, int] = {}  # by place in the sequence

    def propose(self, num_known: int, max_tokens: int) -> list[int]:
        """Return what is predicted behind the first `num_known` tokens, without gaps, at most `max_tokens`."""
        proposed: list[int] = []
        while len(proposed) < max_tokens and (token_id := self._predicted.get(num_known + len(proposed))) is not None:
            proposed.append(token_id)
        return proposed

    def learn(self, first_place: int, token_ids: list[int]) -> None:
        """Note the predictions of a step, for `first_place` and the places behind it."""
        self._predicted.update(enumerate(token_ids, first_place))
