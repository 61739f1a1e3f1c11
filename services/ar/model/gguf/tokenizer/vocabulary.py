"""The tokens of a GGUF file: their texts, kinds and scores, by id."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from tokenizers import AddedToken, Tokenizer

from services.ar.model.fields import Fields
from services.ar.model.gguf.file import GgufFile

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_PREFIX = "tokenizer.ggml"


@dataclass(frozen=True)
class Vocabulary:
    """What the file says of each token; all arrays are as long as `tokens`."""

    file: GgufFile
    tokens: list[str]
    kinds: np.ndarray
    """Of NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED and BYTE."""

    def of_kind(self, kind: int) -> list[str]:
        return [self.tokens[index] for index in np.flatnonzero(self.kinds == kind)]

    def add_to(self, tokenizer: Tokenizer) -> None:
        """Have `tokenizer` find control tokens, and those of the user's, in a text before anything else."""
        tokenizer.add_special_tokens(
            [AddedToken(text, special=True, normalized=False) for text in self.of_kind(CONTROL)]
        )
        tokenizer.add_tokens([AddedToken(text, normalized=False) for text in self.of_kind(USER_DEFINED) if text])

    def merges(self) -> list[tuple[str, str]]:
        """Return the merges that the file lists, the first ones first. Raises ModelError."""
        return [self._merge(merge) for merge in read_texts(self.file, f"{_PREFIX}.merges")]

    def scores(self) -> np.ndarray:
        """Return the score of each token, higher ones merged first. Raises ModelError."""
        return _array(self.file, "scores", len(self.tokens))

    def _merge(self, merge: str) -> tuple[str, str]:
        first, space, second = merge.partition(" ")
        if not (first and space and second) or " " in second:
            accepted = "two texts with a space between"
            raise Fields(self.file.path, {}).error(f"one of {_PREFIX}.merges", merge, accepted)
        return first, second


def read_tokens(file: GgufFile) -> list[str]:
    """Return the text of each token. Raises ModelError."""
    return read_texts(file, f"{_PREFIX}.tokens")


def read_vocabulary(file: GgufFile) -> Vocabulary:
    """Return the tokens of a file. Raises ModelError."""
    tokens = read_tokens(file)
    return Vocabulary(file, tokens, _array(file, "token_type", len(tokens)))


def read_texts(file: GgufFile, key: str) -> list[str]:
    """Return an array of texts. Raises ModelError."""
    value = file.values.get(key)
    if not isinstance(value, list):
        raise Fields(file.path, {}).error(key, value, "an array of texts")
    return value


def _array(file: GgufFile, name: Literal["token_type", "scores"], length: int) -> np.ndarray:
    key = f"{_PREFIX}.{name}"
    values = file.values.get(key)
    if not isinstance(values, np.ndarray) or len(values) != length:
        found = len(values) if isinstance(values, np.ndarray | list) else values
        raise Fields(file.path, {}).error(key, found, f"an array of {length:,} numbers, one a token")
    return values
