"""Speculative decoding: a decoding sequence takes along what may be its next tokens, and one step checks them all.

Each place's token is sampled from the model's own distribution there, with that place's own random number, and a draft
holds as far as it is what was sampled. As a draft is one definite token a place, that accepts it as often as the
rejection sampling of Leviathan et al. 2023 and Chen et al. 2023 does, and the output is the very one there would have
been without drafts. Knows sequences, not the model.
"""

from itertools import takewhile

from services.ar.engine.ngram_draft import NgramDraft
from services.ar.engine.sequence import Sequence


class Drafter:
    """max_tokens: that a sequence may draft a step. max_rows: tokens of a step with drafts, over all sequences; a step
    of so many should hardly take longer than one of a single token, or else drafts cost more than they bring.
    """

    def __init__(self, max_tokens: int, max_rows: int) -> None:
        self._max_tokens = max_tokens
        self.max_rows = max_rows
        self.num_drafted_tokens = 0
        self.num_accepted_tokens = 0

    def draft(self, sequence: Sequence, max_tokens: int) -> tuple[int, ...]:
        """Return what may follow, at most `max_tokens`, and nothing behind which no token is wanted."""
        room = sequence.params.max_tokens - sequence.num_output_tokens - 1
        if sequence.ngram_draft is None:
            sequence.ngram_draft = NgramDraft(self._max_tokens)
        proposed = sequence.ngram_draft.propose(sequence.token_ids, min(max_tokens, room))
        ending = sequence.ending_token_ids
        draft = tuple(takewhile(lambda token_id: token_id not in ending, proposed))
        if draft and sequence.token_mask is not None:
            return draft[: sequence.token_mask.num_allowed(draft)]
        return draft

    def judge(self, sequence: Sequence, num_drafted: int, num_accepted: int) -> None:
        """Note how many tokens of a sequence's last draft held."""
        self.num_drafted_tokens += num_drafted
        self.num_accepted_tokens += num_accepted
        if sequence.ngram_draft is not None:
            sequence.ngram_draft.judge(num_drafted, num_accepted)
