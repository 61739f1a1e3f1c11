"""Texts to tokens by the tokenizers library, in the calling thread and without the interpreter's lock.

`Tokenizer.encode` keeps the lock: the event loop and the engine's thread would stand still meanwhile. Batches do
without it. Unless told otherwise, the library computes them in threads of its own, as many as there are cores; a batch
of one text has no use for those.
"""

import os

from tokenizers import Encoding, Tokenizer

os.putenv("TOKENIZERS_PARALLELISM", "false")


def encoded(tokenizer: Tokenizer, text: str) -> Encoding:
    """Return the tokens of a text, without those that the tokenizer's post-processor would add."""
    encodings: list[Encoding] = tokenizer.encode_batch([text], add_special_tokens=False)
    return encodings[0]
