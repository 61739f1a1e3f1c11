"""Sequences that begin alike compute their beginning once: full blocks are found again by the tokens up to their end.

What vLLM calls automatic prefix caching. Blocks and their keys are the pool's; this knows sequences, and which of
their blocks may be shared. Keys are SHA-256, chained: prompts are not trusted, and a caller who could make two
contents with one key would be served, or serve others, keys and values that are not theirs.

A sequence's `cache_salt` comes before its first tokens in the chain, so sequences of different salts share nothing:
cache hits and response times reveal to a caller only its own prompts.
"""

import hashlib
from array import array

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.sequence import Sequence

_SALT_DOMAIN = b"tandem prefix cache salt\0"


class PrefixCache:
    """`chunk_tokens`, if given, a multiple of the block size: only whole chunks of prompts are shared. A part of one is
    computed in another shape than the whole, and an output in another than a prompt, so what is shared would depend on
    who came first.
    """

    def __init__(self, pool: BlockPool, chunk_tokens: int | None = None) -> None:
        self._pool = pool
        self._unit_tokens = chunk_tokens or pool.block_size
        self._is_exact = chunk_tokens is not None
        self.num_prompt_tokens = 0  # of all sequences that came, scored ones left out
        self.num_cached_tokens = 0  # of these, those that need not be computed

    def share(self, sequence: Sequence) -> None:
        """Give a sequence that holds nothing the kept blocks that begin as it does; its last token is left to compute.

        A scored text gets none: each of its tokens is wanted.
        """
        if sequence.is_scored:
            return
        keys = self._keys(sequence, len(sequence.token_ids) - 1)
        num_tokens = self._shareable(sequence, self._pool.num_kept(keys) * self._pool.block_size)
        self._pool.share(sequence.block_table, keys[: num_tokens // self._pool.block_size])
        sequence.num_computed_tokens = num_tokens

    def count(self, sequence: Sequence) -> None:
        """Note what a sequence that was taken in has been given, if it is the first time."""
        if not sequence.is_scored and sequence.num_cached_tokens is None:
            sequence.num_cached_tokens = sequence.num_computed_tokens
            self.num_prompt_tokens += sequence.num_prompt_tokens
            self.num_cached_tokens += sequence.num_cached_tokens

    def keep(self, sequence: Sequence, num_computed_before: int) -> None:
        """Keep the blocks of a sequence that have become full since then."""
        first = num_computed_before // self._pool.block_size
        if sequence.num_computed_tokens // self._pool.block_size == first:
            return
        for place, key in enumerate(self._keys(sequence, sequence.num_computed_tokens)[first:], first):
            self._pool.keep(sequence.block_table[place], key)

    def _keys(self, sequence: Sequence, num_tokens: int) -> list[bytes]:
        """Return the keys of the blocks that can be shared of those that hold the first `num_tokens`."""
        num_blocks = self._shareable(sequence, num_tokens) // self._pool.block_size
        _extend(sequence.block_keys, sequence.token_ids, self._pool.block_size, num_blocks, sequence.cache_salt)
        return sequence.block_keys[:num_blocks]

    def _shareable(self, sequence: Sequence, num_tokens: int) -> int:
        if self._is_exact:
            num_tokens = min(num_tokens, sequence.num_prompt_tokens)
        return num_tokens - num_tokens % self._unit_tokens


def _extend(keys: list[bytes], token_ids: list[int], block_size: int, num_blocks: int, salt: bytes) -> None:
    """Extend the keys of the first blocks to those of the first `num_blocks`, which the tokens must fill."""
    for place in range(len(keys), num_blocks):
        tokens = array("q", token_ids[place * block_size : (place + 1) * block_size])
        keys.append(hashlib.sha256((keys[-1] if keys else _first_link(salt)) + tokens.tobytes()).digest())


def _first_link(salt: bytes) -> bytes:
    """Return what stands before the first block's tokens: as long as a key, so that no salt can pass for tokens."""
    return hashlib.sha256(_SALT_DOMAIN + salt).digest() if salt else b""
