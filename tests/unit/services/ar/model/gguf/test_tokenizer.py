"""Tokenizers of GGUF files: each pre-type cuts as llama.cpp did for real vocabularies, SentencePiece by the book."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from tokenizers import pre_tokenizers

from services.ar.model.gguf.file import GgufFile
from services.ar.model.gguf.tokenizer import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, GgufTokenizer, read_tokenizer
from tandem.shared.models import ModelError

ALPHABET = dict.fromkeys(sorted(pre_tokenizers.ByteLevel.alphabet()), NORMAL)
SPECIAL = {"<|begin|>": CONTROL, "<|im_end|>": CONTROL, "<tool>": USER_DEFINED}
TEXT = "I'LL say 12345 Words:\n\n  x"
WORDS = {
    "gpt-2": ["I", "'", "LL", " say", " 12345", " Words", ":", "\n\n ", " x"],
    "smollm": ["I", "'", "LL", " say", " ", "1", "2", "3", "4", "5", " Words", ":", "\n\n ", " x"],
    "default": ["I", "'", "LL", " say", " ", "123", "45", " Words", ":", "\n\n ", " x"],
    "llama-bpe": ["I", "'LL", " say", " ", "123", "45", " Words", ":\n\n", " ", " x"],
    "qwen2": ["I", "'LL", " say", " ", "1", "2", "3", "4", "5", " Words", ":\n\n", " ", " x"],
    "tekken": ["I", "'LL", " say", " ", "1", "2", "3", "4", "5", " Words", ":\n\n", " ", " x"],
}
BYTES = {f"<0x{byte:02X}>": BYTE for byte in range(256)}
PIECES = ["he", "▁t", "▁the", "er", "re", "ere", "th", "▁there", "▁▁", "t▁", "in", "ing", "▁s", "▁sing", "es"]
LETTERS = list("▁abcdefghijklmnopqrstuvwxyz")
TEXTS = ["there", "the  there", "sing there", "t he", "singing", "  in", "ether", "Zürich, 東京", "the\nend", ""]


def file_with(tokens: dict[str, int], **values: object) -> GgufFile:
    """Return a file with these tokens and their kinds, and other values of tokenizer.ggml."""
    all_values = {"tokens": list(tokens), "token_type": np.array(list(tokens.values()), np.int32)} | values
    return GgufFile(Path("some.gguf"), {f"tokenizer.ggml.{key}": value for key, value in all_values.items()}, [])


def opened(pre: str, merges: list[str] | None = None, **values: object) -> GgufTokenizer:
    tokens = ALPHABET | {"He": NORMAL, "Hel": NORMAL, "lo": NORMAL} | SPECIAL
    model = {"model": "gpt2", "pre": pre, "merges": ["H e", "l o"] if merges is None else merges}
    return read_tokenizer(file_with(tokens, **model, **values))


def test_words():
    for pre, words in WORDS.items():
        tokenizer = opened(pre).tokenizer
        pieces = tokenizer.pre_tokenizer.pre_tokenize_str(TEXT)
        assert [TEXT[start:stop] for _, (start, stop) in pieces] == words
        assert tokenizer.decode(tokenizer.encode(TEXT).ids, skip_special_tokens=False) == TEXT


def test_a_word_that_is_a_token_is_taken_whole_where_the_pre_type_says_so():
    assert opened("llama-bpe").tokenizer.encode("Hel").tokens == ["Hel"]
    assert opened("qwen2").tokenizer.encode("Hel").tokens == ["He", "l"]


def test_qwen_composes_characters_as_it_was_trained_with():
    assert opened("qwen2").tokenizer.encode("e\u0301").ids == opened("qwen2").tokenizer.encode("\xe9").ids


def test_control_tokens_and_the_user_s_are_found_first():
    tokenizer = opened("gpt-2").tokenizer
    assert tokenizer.encode("a<|im_end|><tool>").tokens == ["a", "<|im_end|>", "<tool>"]
    assert {token.content: token.special for token in tokenizer.get_added_tokens_decoder().values()} == {
        "<|begin|>": True,
        "<|im_end|>": True,
        "<tool>": False,
    }


def test_bos_is_as_the_file_says_or_else_as_the_pre_type_does():
    assert [opened(pre).has_bos for pre in ("gpt-2", "qwen2", "llama-bpe", "tekken")] == [False, False, True, True]
    assert opened("gpt-2", add_bos_token=True).has_bos
    assert not opened("tekken", add_bos_token=False).has_bos


def test_what_ends_an_output():
    """The file's own EOS, and control tokens that are known to end a turn, which files do not always name."""
    ids = {token: opened("gpt-2").tokenizer.token_to_id(token) for token in SPECIAL}
    assert opened("gpt-2").end_token_ids == {ids["<|im_end|>"]}
    assert opened("gpt-2", eos_token_id=ids["<|begin|>"]).end_token_ids == {ids["<|begin|>"], ids["<|im_end|>"]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pre": "deepseek-v3"}, "tokenizer.ggml.pre is 'deepseek-v3', which is not supported; one of these would fit"),
        ({"pre": "gpt-2", "model": "t5"}, "tokenizer 't5' is not supported; 'gpt2' .* or 'llama' .* would fit"),
        ({"pre": "gpt-2", "merges": ["H"]}, "one of tokenizer.ggml.merges is 'H'; accepted: two texts"),
        ({"pre": "gpt-2", "merges": ["H y"]}, "no valid tokenizer"),
        ({"pre": "gpt-2", "token_type": None}, "token_type is missing; accepted: an array of 262 numbers"),
        ({"pre": "gpt-2", "eot_token_id": 300}, "eot_token_id is 300; accepted: a whole number from 0 to 261"),
    ],
)
def test_what_is_refused(values, message):
    base = {"model": "gpt2", "merges": ["H e"]} | values
    with pytest.raises(ModelError, match=message):
        read_tokenizer(file_with(ALPHABET | {"He": NORMAL, "Hel": NORMAL, "lo": NORMAL} | SPECIAL, **base))


def sentencepiece(has_prefix: bool):
    tokens = {"<unk>": UNKNOWN, "<s>": CONTROL, "</s>": CONTROL} | BYTES | dict.fromkeys(PIECES + LETTERS, NORMAL)
    scores = np.array([0.0] * (3 + 256) + [-float(rank) for rank in range(len(PIECES) + len(LETTERS))], np.float32)
    return read_tokenizer(file_with(tokens, model="llama", scores=scores, add_space_prefix=has_prefix, eos_token_id=2))


def by_the_book(text: str) -> list[str]:
    """Return the tokens of a text whose spaces are ▁ already."""
    rank = {piece: place for place, piece in enumerate(PIECES)}
    parts = list(text)
    while pairs := [(rank[a + b], place) for place, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in rank]:
        _, place = min(pairs)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    known = {*PIECES, *LETTERS}
    return [
        token
        for part in parts
        for token in ([part] if part in known else [f"<0x{byte:02X}>" for byte in part.encode()])
    ]


@pytest.mark.parametrize("has_prefix", [True, False])
def test_tokens_are_those_of_the_algorithm(has_prefix):
    tokenizer = sentencepiece(has_prefix).tokenizer
    for text in TEXTS:
        spaced = ("▁" if has_prefix and text else "") + text.replace(" ", "▁")
        encoding = tokenizer.encode(text, add_special_tokens=False)
        assert encoding.tokens == by_the_book(spaced)
        assert tokenizer.decode(encoding.ids) == text


def test_texts_begin_with_bos_and_end_with_eos():
    found = sentencepiece(True)
    assert (found.has_bos, found.end_token_ids) == (True, {2})
    assert found.tokenizer.encode("in</s>").tokens == ["▁", "in", "</s>"]
