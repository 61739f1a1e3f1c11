"""The blocks of the KV cache by number: which are free, which are taken and by how many, and which still hold content
that another sequence may share. Knows nothing of tensors or sequences.

Full blocks can be kept under a key of their content. A block that is no longer used stays until its memory is
needed, and the least recently used goes first; a sequence that finds it by its key need not compute it again.
"""

from collections import OrderedDict
from collections.abc import Sequence

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

    def num_kept(self, keys: Sequence[Key]) -> int:
        """Return how many of `keys`, from the first on, there are blocks for."""
        return next((place for place, key in enumerate(keys) if key not in self._block_of), len(keys))

    def share(self, block_table: list[int], keys: Sequence[Key]) -> None:
        """Extend `block_table` by the kept blocks of `keys`, all of which there must be."""
        for key in keys:
            block = self._block_of[key]
            self._idle.pop(block, None)
            self._num_users[block] = self._num_users.get(block, 0) + 1
            block_table.append(block)

    def check_integrity(self, block_tables: Sequence[Sequence[int]] = ()) -> None:
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
