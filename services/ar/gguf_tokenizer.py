"""The tokenizer that a GGUF file's metadata describes, of the kind that SmolLM has."""

from collections.abc import Iterator

import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from runtime.models import ModelError
from services.ar.fields import Fields
from services.ar.gguf_file import GgufFile
from services.ar.tokenizer_file import refused

_CONTROL_TOKEN = 3


def read_tokens(file: GgufFile) -> list[str]:
    """Return the text of each token. Raises ModelError."""
    return _texts(file, "tokenizer.ggml.tokens")


def read_tokenizer(file: GgufFile, tokens: list[str]) -> Tokenizer:
    """Return the tokenizer whose vocabulary is `tokens`. Raises ModelError if it is of another kind or damaged."""
    fields = Fields(file.path, file.values)
    kind = fields.text("tokenizer.ggml.model"), fields.text("tokenizer.ggml.pre", "default")
    if kind != ("gpt2", "smollm"):
        raise ModelError(f"{file.path}: GGUF tokenizer {kind} is not supported; ('gpt2', 'smollm') is")
    merges, control = list(_merges(file)), _control_tokens(file, tokens)
    with refused(file.path):
        tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def _texts(file: GgufFile, key: str) -> list[str]:
    value = file.values.get(key)
    if not isinstance(value, list):
        raise Fields(file.path, {}).error(key, value, "an array of texts")
    return value


def _merges(file: GgufFile) -> Iterator[tuple[str, str]]:
    for merge in _texts(file, "tokenizer.ggml.merges"):
        first, space, second = merge.partition(" ")
        if not (first and space and second) or " " in second:
            raise Fields(file.path, {}).error("one of tokenizer.ggml.merges", merge, "two texts with a space between")
        yield first, second


def _control_tokens(file: GgufFile, tokens: list[str]) -> list[str]:
    key = "tokenizer.ggml.token_type"
    kinds = file.values.get(key)
    if not isinstance(kinds, np.ndarray) or len(kinds) != len(tokens):
        found = len(kinds) if isinstance(kinds, np.ndarray | list) else kinds
        raise Fields(file.path, {}).error(key, found, f"an array of {len(tokens):,} numbers, one a token")
    return [tokens[index] for index in np.flatnonzero(kinds == _CONTROL_TOKEN)]
