"""SentencePiece's tokens against its algorithm written out: join the two neighbours that make the best token, again."""

import itertools

import numpy as np
import pytest

from services.ar.model.gguf.tokenizer.reading import read_tokenizer
from tests.unit.services.ar.model.gguf.tokenizer.files import BYTE, CONTROL, NORMAL, UNKNOWN, file_with

BYTES = {f"<0x{byte:02X}>": BYTE for byte in range(256)}
PIECES = ["he", "▁t", "▁the", "er", "re", "ere", "th", "▁there", "▁▁", "t▁", "in", "ing", "▁s", "▁sing", "es"]
LETTERS = list("▁abcdefghijklmnopqrstuvwxyz")
TEXTS = ["there", "the  there", "sing there", "t he", "singing", "  in", "ether", "Zürich, 東京", "the\nend", ""]


def opened(has_prefix: bool):
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
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_algorithm(text, has_prefix):
    spaced = ("▁" if has_prefix and text else "") + text.replace(" ", "▁")
    encoding = opened(has_prefix).tokenizer.encode(text, add_special_tokens=False)
    assert encoding.tokens == by_the_book(spaced)
    assert opened(has_prefix).tokenizer.decode(encoding.ids) == text


def test_texts_begin_with_bos_and_end_with_eos():
    found = opened(True)
    assert (found.has_bos, found.end_token_ids) == (True, {2})
    assert found.tokenizer.encode("in</s>").tokens == ["▁", "in", "</s>"]
