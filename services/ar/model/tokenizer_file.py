"""A model's tokenizer: opened from tokenizer.json, or made by a loader, and checked against the model's vocabulary."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Tokenizer

from services.ar.model.fields import check_size
from tandem.shared.models import ModelError

MAX_TOKENIZER_BYTES = 64 * 1024 * 1024
MAX_TOKENIZER_COMMAS = 2_000_000
"""About as many as values: a vocabulary of 262,144 has 1.3 million. The library takes up to 500 bytes for each."""


def open_tokenizer(path: Path, vocab_size: int) -> Tokenizer | None:
    """Return the tokenizer of a tokenizer.json, checked, or None if there is no such file. Raises ModelError."""
    if not path.exists():
        return None
    check_size(path, MAX_TOKENIZER_BYTES)
    content = path.read_bytes()
    if (num_commas := content.count(b",")) > MAX_TOKENIZER_COMMAS:
        raise ModelError(f"{path}: has {num_commas:,} commas; accepted: at most {MAX_TOKENIZER_COMMAS:,}")
    with refused(path):
        tokenizer = Tokenizer.from_buffer(content)
        # A file may ask for prompts to be cut, or filled up to any length; a server does neither.
        tokenizer.no_truncation()
        tokenizer.no_padding()
    check_tokenizer(path, tokenizer, vocab_size)
    return tokenizer


def check_tokenizer(file: Path, tokenizer: Tokenizer, vocab_size: int) -> None:
    """Raises ModelError unless each token that the tokenizer may yield is one of the model's `vocab_size`."""
    num_tokens = tokenizer.get_vocab_size(with_added_tokens=True)
    if not 0 < num_tokens <= vocab_size:
        raise ModelError(f"{file}: the tokenizer has {num_tokens:,} tokens; accepted: 1 to {vocab_size:,}, the model's")
    with refused(file):
        last = max(tokenizer.get_vocab(with_added_tokens=True).values())
        tokenizer.encode("a")
    if last >= vocab_size:
        raise ModelError(f"{file}: the tokenizer has a token {last:,}; accepted: 0 to {vocab_size - 1:,}, the model's")


@contextmanager
def refused(file: Path) -> Iterator[None]:
    """Turn every error of the tokenizers library into a ModelError about `file`.

    The library raises bare Exceptions, and for a panic of its Rust code one that is not even an Exception.
    """
    try:
        yield
    except (ModelError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise ModelError(f"{file}: no valid tokenizer ({str(error)[:200]})") from None
