"""Byte-level BPE, whose files name how a text is cut into words by one of llama.cpp's pre-types."""

from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from services.ar.model.gguf.tokenizer.vocabulary import Vocabulary
from tandem.shared.models import ModelError

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


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


def pre_type(vocabulary: Vocabulary, name: str) -> _PreType:
    """Return how texts are cut. Raises ModelError for a name that is not here."""
    if name not in PRE_TYPES:
        fitting = ", ".join(PRE_TYPES)
        raise ModelError(
            f"{vocabulary.file.path}: tokenizer.ggml.pre is {name[:100]!r}, which is not supported; one of these would "
            f"fit: {fitting}"
        )
    return PRE_TYPES[name]


def byte_level_tokenizer(vocabulary: Vocabulary, cut: _PreType) -> Tokenizer:
    """Return the tokenizer of merges over bytes. Raises ModelError."""
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    tokenizer = Tokenizer(models.BPE(ids, vocabulary.merges(), ignore_merges=cut.takes_whole_words))
    if cut.is_composed:
        tokenizer.normalizer = normalizers.NFC()
    words = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in cut.patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    vocabulary.add_to(tokenizer)
    return tokenizer
