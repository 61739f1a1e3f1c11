"""The tokenizer that a GGUF file's metadata describes: byte-level BPE, or SentencePiece's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from services.ar.model.fields import Fields
from services.ar.model.gguf.file import GgufFile
from services.ar.model.tokenizer_file import refused
from tandem.shared.models import ModelError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_PREFIX = "tokenizer.ggml"
_END_OF_TURN = frozenset(
    ("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "<end_of_turn>", "<|end_of_text|>", "</s>")
)
"""Control tokens with which an answer ends, whatever the file calls its EOS: files often name only one of them."""

_SPACE = "▁"
_MAX_PIECE_CHARACTERS = 64
"""Of a token that can be merged: the vocabularies of published models stay below, and work grows with the square."""

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class GgufTokenizer:
    """A tokenizer, whether its texts begin with the BOS token, and the tokens that end an output."""

    tokenizer: Tokenizer
    has_bos: bool
    end_token_ids: frozenset[int]


def read_tokenizer(file: GgufFile) -> GgufTokenizer:
    """Return the tokenizer of a file. Raises ModelError if it is of another kind or damaged."""
    tokens, fields = read_tokens(file), Fields(file.path, file.values)
    vocabulary = _Vocabulary(file, tokens, _read_array(file, "token_type", len(tokens)))
    match fields.text("tokenizer.ggml.model"):
        case "gpt2":
            cut = _pre_type(vocabulary, fields.text("tokenizer.ggml.pre", "default"))
            has_bos = cut.has_bos
            with refused(file.path):
                tokenizer = _byte_level_tokenizer(vocabulary, cut)
        case "llama":
            has_bos = True
            has_prefix = _flag(fields, "add_space_prefix", default=True)
            with refused(file.path):
                tokenizer = _sentencepiece_tokenizer(vocabulary, has_prefix)
        case other:
            raise ModelError(
                f"{file.path}: GGUF tokenizer {other!r} is not supported; 'gpt2' (byte-level BPE) or 'llama' "
                "(SentencePiece) would fit"
            )
    return GgufTokenizer(tokenizer, _flag(fields, "add_bos_token", has_bos), _end_token_ids(vocabulary, fields))


def _flag(fields: Fields, name: str, default: bool) -> bool:
    key = f"tokenizer.ggml.{name}"
    return fields.flag(key) if fields.has(key) else default


def _end_token_ids(vocabulary: _Vocabulary, fields: Fields) -> frozenset[int]:
    """Return the tokens that the file names as the end of a text, turn or message, and those known to be one."""
    keys = [f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom")]
    last = len(vocabulary.tokens) - 1
    named = [fields.integer(key, 0, last) for key in keys if fields.has(key)]
    known = [id_ for id_, token in enumerate(vocabulary.tokens) if token in _END_OF_TURN]
    return frozenset((*named, *(id_ for id_ in known if vocabulary.kinds[id_] == CONTROL)))


@dataclass(frozen=True)
class _Vocabulary:
    """What the file says of each token; all arrays are as long as `tokens`."""

    file: GgufFile
    tokens: list[str]
    kinds: np.ndarray
    """Of NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED and BYTE."""

    @property
    def ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}

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
        key, merges = f"{_PREFIX}.merges", []
        for merge in _read_texts(self.file, key):
            first, space, second = merge.partition(" ")
            if not (first and space and second) or " " in second:
                raise Fields(self.file.path, {}).error(f"one of {key}", merge, "two texts with a space between")
            merges.append((first, second))
        return merges


def read_tokens(file: GgufFile) -> list[str]:
    """Return the text of each token. Raises ModelError."""
    return _read_texts(file, f"{_PREFIX}.tokens")


def _read_texts(file: GgufFile, key: str) -> list[str]:
    value = file.values.get(key)
    if not isinstance(value, list):
        raise Fields(file.path, {}).error(key, value, "an array of texts")
    return value


def _read_array(file: GgufFile, name: Literal["token_type", "scores"], length: int) -> np.ndarray:
    key = f"{_PREFIX}.{name}"
    values = file.values.get(key)
    if not isinstance(values, np.ndarray) or len(values) != length:
        found = len(values) if isinstance(values, np.ndarray | list) else values
        raise Fields(file.path, {}).error(key, found, f"an array of {length:,} numbers, one a token")
    return values


@dataclass(frozen=True)
class _PreType:
    patterns: tuple[str, ...]
    """A text is cut by the first, its pieces by the next."""
    takes_whole_words: bool = False
    """Whether a word that is a token is taken as it is, whatever its merges."""
    has_bos: bool = False
    """Whether a text begins with the BOS token where the file does not say so."""
    is_composed: bool = False
    """Whether texts are brought into Unicode's composed form (NFC) first, as the model was trained with."""


_SMOLLM = _PreType((r"\p{N}", _GPT2))
_LLAMA3 = _PreType((rf"{_ENDINGS}|\p{{N}}{{1,3}}|{_REST}",), takes_whole_words=True, has_bos=True)
_QWEN2 = _PreType((rf"{_ENDINGS}|\p{{N}}|{_REST}",), is_composed=True)
PRE_TYPES = {
    "default": _PreType((r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
    "gpt-2": _PreType((_GPT2,)),
    "smollm": _SMOLLM,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _PreType(_QWEN2.patterns),
    "tekken": _PreType((_TEKKEN,), takes_whole_words=True, has_bos=True),
}


def _pre_type(vocabulary: _Vocabulary, name: str) -> _PreType:
    """Return how texts are cut. Raises ModelError for a name that is not here."""
    if name not in PRE_TYPES:
        fitting = ", ".join(PRE_TYPES)
        raise ModelError(
            f"{vocabulary.file.path}: tokenizer.ggml.pre is {name[:100]!r}, which is not supported; one of these would "
            f"fit: {fitting}"
        )
    return PRE_TYPES[name]


def _byte_level_tokenizer(vocabulary: _Vocabulary, cut: _PreType) -> Tokenizer:
    """Return the tokenizer of merges over bytes. Raises ModelError."""
    tokenizer = Tokenizer(models.BPE(vocabulary.ids, vocabulary.merges(), ignore_merges=cut.takes_whole_words))
    if cut.is_composed:
        tokenizer.normalizer = normalizers.NFC()
    words = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in cut.patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    vocabulary.add_to(tokenizer)
    return tokenizer


def _sentencepiece_tokenizer(vocabulary: _Vocabulary, has_space_prefix: bool) -> Tokenizer:
    """Return the tokenizer; `has_space_prefix`: a text is encoded as if a space were before it. Raises ModelError."""
    ids = vocabulary.ids
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


def _merges(vocabulary: _Vocabulary, ids: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of tokens that make another one, those of the highest score first."""
    scores = np.nan_to_num(_read_array(vocabulary.file, "scores", len(vocabulary.tokens)))
    for index in np.argsort(-scores, kind="stable"):
        token = vocabulary.tokens[index]
        if len(token) <= _MAX_PIECE_CHARACTERS:
            pairs = ((token[:place], token[place:]) for place in range(1, len(token)))
            yield from (pair for pair in pairs if pair[0] in ids and pair[1] in ids)
