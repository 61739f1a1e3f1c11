"""SentencePiece's BPE (Kudo, Richardson 2018), of which a GGUF file holds the tokens' scores instead of merges."""

from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers

from services.ar.model.gguf.tokenizer.vocabulary import UNKNOWN, Vocabulary

_SPACE = "▁"
_MAX_PIECE_CHARACTERS = 64
"""Of a token that can be merged: the vocabularies of published models stay below, and work grows with the square."""


def sentencepiece_tokenizer(vocabulary: Vocabulary, has_space_prefix: bool) -> Tokenizer:
    """Return the tokenizer; `has_space_prefix`: a text is encoded as if a space were before it. Raises ModelError."""
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    unknown = next(iter(vocabulary.of_kind(UNKNOWN)), None)
    tokenizer = Tokenizer(
        models.BPE(ids, list(_merges(vocabulary, ids)), unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    prefix = [normalizers.Prepend(_SPACE)] if has_space_prefix else []
    tokenizer.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", _SPACE)])
    strip = [decoders.Strip(" ", 1, 0)] if has_space_prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    vocabulary.add_to(tokenizer)
    return tokenizer


def _merges(vocabulary: Vocabulary, ids: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of tokens that make another one, those of the highest score first."""
    scores = np.nan_to_num(vocabulary.scores())
    for index in np.argsort(-scores, kind="stable"):
        token = vocabulary.tokens[index]
        if len(token) <= _MAX_PIECE_CHARACTERS:
            pairs = ((token[:place], token[place:]) for place in range(1, len(token)))
            yield from (pair for pair in pairs if pair[0] in ids and pair[1] in ids)
