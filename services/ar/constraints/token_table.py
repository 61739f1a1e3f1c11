"""The tokens of a model as llguidance needs them: made once a model, shared by all constraints. Knows no requests."""

from collections.abc import Sequence, Set
from typing import Protocol

from llguidance import LLTokenizer, TokenizerWrapper


class Vocabulary(Protocol):
    """The part of a codec that is needed here."""

    eos_token_ids: frozenset[int]

    @property
    def special_token_ids(self) -> Set[int]:
        """Tokens that are no text, those that end an output among them."""

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none where there is no such token."""

    def tokens_within(self, text: str) -> list[int]:
        """Return the tokens of a text that stands in the midst of others; what looks like a control token is one."""


def token_table(vocabulary: Vocabulary, num_tokens: int) -> LLTokenizer:
    """Return the table of tokens 0 to num_tokens - 1; 0.2 s and 24 MiB for 49,152 of them.

    There must be a token that ends an output.
    """
    eos_token_ids = sorted(vocabulary.eos_token_ids)
    return LLTokenizer(TokenizerWrapper(_Tokens(vocabulary, num_tokens)), n_vocab=num_tokens, eos_token=eos_token_ids)


class _Tokens:
    """What llguidance.TokenizerWrapper asks for."""

    bos_token_id: int | None = None

    def __init__(self, vocabulary: Vocabulary, num_tokens: int) -> None:
        self._vocabulary = vocabulary
        self.eos_token_id = min(vocabulary.eos_token_ids)
        self.tokens: Sequence[bytes] = [vocabulary.token_bytes(token_id) for token_id in range(num_tokens)]
        self.special_token_ids = sorted(token_id for token_id in vocabulary.special_token_ids if token_id < num_tokens)
        self._of_byte = {token: token_id for token_id, token in enumerate(self.tokens) if len(token) == 1}

    def __call__(self, text: bytes) -> list[int]:
        """Return the tokens that a text is usually written in: where but one text can follow, those are chosen.

        Some tokenizers put a space before every text, and all take what looks like a control token for one. What they
        make of this text is then another one, and it is written byte by byte, as far as there are such tokens.
        """
        token_ids = self._vocabulary.tokens_within(text.decode(errors="replace"))
        is_plain = self._vocabulary.special_token_ids.isdisjoint(token_ids)
        if is_plain and b"".join(self.tokens[token_id] for token_id in token_ids) == text:
            return token_ids
        return [self._of_byte[byte] for byte in (bytes([value]) for value in text) if byte in self._of_byte]
