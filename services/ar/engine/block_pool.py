"""The blocks of the KV cache by number: which are free, which are taken and by how many, and which still hold content
that another sequence may share. The pool knows nothing of tensors or sequences.

Full blocks can be kept under a key of their content. A block that is no longer used stays until its memory is
needed, and the least recently used goes first; a sequence that finds it by its key need not compute it again.

Sequences that begin alike compute their beginning once: the prefix cache finds full blocks again by the tokens up to
their end. Keys are SHA-256, chained: prompts are not trusted, and a caller who could make two contents with one key
would be served, or serve others, keys and values that are not theirs. A sequence's `cache_salt` comes before its first
tokens in the chain, so sequences of different salts share nothing: cache hits and response times reveal to a caller
only its own prompts.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence as SequenceOf

from services.ar.engine.sequence import Sequence

Key = bytes


class BlockPool:
    """Hands out block numbers 0 to num_blocks - 1; `block_size` is the tokens that one block holds."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        # Last in, first out: the block that was used most recently is the likeliest to be in a CPU cache.
        self._free = list(range(num_blocks - 1, -1, -1))
        self._num_users: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()  # kept, but unused; the oldest first
        self._block_of: dict[Key, int] = {}
        self._key_of: dict[int, Key] = {}

    @property
    def num_free(self) -> int:
        """Blocks that can be handed out, those included that are kept and idle."""
        return len(self._free) + len(self._idle)

    @property
    def num_taken(self) -> int:
        return len(self._num_users)

    def blocks_for(self, num_tokens: int) -> int:
        """Return the number of blocks that hold `num_tokens`."""
        return -(-num_tokens // self.block_size)

    def grow(self, block_table: list[int], num_tokens: int) -> bool:
        """Extend `block_table` to hold `num_tokens`; return False, with nothing changed, if too few blocks are free."""
        missing = self.blocks_for(num_tokens) - len(block_table)
        if missing > self.num_free:
            return False
        for _ in range(missing):
            block = self._free.pop() if self._free else self._evict()
            self._num_users[block] = 1
            block_table.append(block)
        return True

    def _evict(self) -> int:
        block, _ = self._idle.popitem(last=False)
        del self._block_of[self._key_of.pop(block)]
        return block

    def release(self, block_table: list[int], num_tokens: int = 0) -> None:
        """Give the blocks of `block_table` back, but those that hold its first `num_tokens`."""
        num_left = self.blocks_for(num_tokens)
        # From the end: of a content that is evicted bit by bit, the beginning is of use the longest.
        for block in reversed(block_table[num_left:]):
            self._num_users[block] -= 1
            if not self._num_users[block]:
                del self._num_users[block]
                if block in self._key_of:
                    self._idle[block] = None
                else:
                    self._free.append(block)
        del block_table[num_left:]

    def keep(self, block: int, key: Key) -> None:
        """Publish a full block under its key; it becomes read-only. If the key is in use, its block stays."""
        if key not in self._block_of and block not in self._key_of:
            self._block_of[key] = block
            self._key_of[block] = key

    def num_kept(self, keys: SequenceOf[Key]) -> int:
        """Return how many of `keys`, from the first on, there are blocks for."""
        return next((place for place, key in enumerate(keys) if key not in self._block_of), len(keys))

    def share(self, block_table: list[int], keys: SequenceOf[Key]) -> None:
        """Extend `block_table` by the kept blocks of `keys`, all of which there must be."""
        for key in keys:
            block = self._block_of[key]
            self._idle.pop(block, None)
            self._num_users[block] = self._num_users.get(block, 0) + 1
            block_table.append(block)

    def check_integrity(self, block_tables: SequenceOf[SequenceOf[int]] = ()) -> None:
        """Raises AssertionError if a block is lost, doubled, in two states, or not used as often as the tables say."""
        free, idle, taken = set(self._free), set(self._idle), set(self._num_users)
        total = len(self._free) + len(idle) + len(taken)
        if len(free | idle | taken) != self.num_blocks or total != self.num_blocks:
            raise AssertionError(
                f"block pool: {len(self._free)} free, {len(idle)} idle, {len(taken)} taken of {self.num_blocks}"
            )
        if {block: key for key, block in self._block_of.items()} != self._key_of or not idle <= self._key_of.keys():
            raise AssertionError(f"block pool: {len(self._block_of)} keys, {len(self._key_of)} blocks with a key")
        num_users: dict[int, int] = {}
        for block in (block for table in block_tables for block in table):
            num_users[block] = num_users.get(block, 0) + 1
        if num_users != self._num_users:
            raise AssertionError(f"block pool: {len(num_users)} blocks held, {len(taken)} taken")


_SALT_DOMAIN = b"tandem prefix cache salt\0"


class PrefixCache:
    """What vLLM calls automatic prefix caching, over the blocks of a pool.

    `chunk_tokens`, if given, a multiple of the block size: only whole chunks of prompts are shared. A part of one is
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
        size, keys = self._pool.block_size, sequence.block_keys
        num_blocks = self._shareable(sequence, num_tokens) // size
        for place in range(len(keys), num_blocks):
            positions = range(place * size, (place + 1) * size)
            tokens = array("q", sequence.token_ids[place * size : (place + 1) * size])
            if (in_text := sequence.text_positions(positions)) != positions:
                tokens.extend(in_text)
            before = keys[-1] if keys else _first_link(sequence.cache_salt)
            keys.append(hashlib.sha256(before + tokens.tobytes()).digest())
        return keys[:num_blocks]

    def _shareable(self, sequence: Sequence, num_tokens: int) -> int:
        if self._is_exact:
            num_tokens = min(num_tokens, sequence.num_prompt_tokens)
        return num_tokens - num_tokens % self._unit_tokens


def _first_link(salt: bytes) -> bytes:
    """Return what stands before the first block's tokens: as long as a key, so that no salt can pass for tokens."""
    return hashlib.sha256(_SALT_DOMAIN + salt).digest() if salt else b""
