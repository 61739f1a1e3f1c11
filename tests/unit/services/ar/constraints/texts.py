"""What a compiled constraint makes of texts, and of tokens drawn by chance; the tiny tokenizer's vocabulary."""

import random

from llguidance import LLMatcher

from services.ar.codecs.text_codec import TextCodec
from services.ar.constraints.compiler import Compiler, token_table
from services.ar.constraints.grammar_mask import GrammarMask, request_masks
from services.ar.model.checkpoint import Checkpoint
from tests.tiny_models import VOCAB_SIZE, tiny_tokenizer

END = 1
SPECIAL = frozenset(range(5))


def tiny_codec() -> TextCodec:
    checkpoint = Checkpoint(
        config=None, tokenizer=tiny_tokenizer(), read_tensors=None, chat_template=None, eos_token_ids=frozenset({END})
    )
    return TextCodec(checkpoint, 64)


CODEC = tiny_codec()
OF_BYTE = {
    CODEC.token_bytes(token_id): token_id
    for token_id in range(VOCAB_SIZE)
    if token_id not in SPECIAL and len(CODEC.token_bytes(token_id)) == 1
}


def tiny_compiler() -> Compiler:
    return Compiler(token_table(CODEC, VOCAB_SIZE))


def byte_tokens(text: str) -> list[int]:
    return [OF_BYTE[bytes([byte])] for byte in text.encode()]


def allowed(mask: bytes) -> set[int]:
    return {token_id for token_id in range(VOCAB_SIZE) if mask[token_id // 8] >> token_id % 8 & 1}


def next_tokens(mask: GrammarMask) -> set[int]:
    return allowed(mask.masks([])[0])


def accepts(matcher: LLMatcher, text: str) -> bool:
    """Return whether a text can be generated and can end there."""
    (mask,) = request_masks(matcher, 1)
    for token_id in byte_tokens(text):
        if mask.is_complete:
            return False
        try:
            mask.advance([token_id])
        except ValueError:
            return False
    return mask.is_complete or END in next_tokens(mask)


def generated(mask: GrammarMask, seed: int, most: int = 300) -> list[int]:
    """Return tokens drawn by chance from what the mask allows, up to the end; `most` of them if it does not come."""
    dice = random.Random(seed)
    token_ids: list[int] = []
    while not mask.is_complete and len(token_ids) < most and END not in token_ids:
        choices = next_tokens(mask)
        token_id = END if END in choices and dice.random() < 0.3 else dice.choice(sorted(choices))
        mask.advance([token_id])
        token_ids.append(token_id)
    return token_ids
