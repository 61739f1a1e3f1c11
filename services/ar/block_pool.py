"""The blocks of the KV cache by number: which are free and which are taken. Knows nothing of tensors or sequences."""


class BlockPool:
    """Hands out block numbers 0 to num_blocks - 1; `block_size` is the tokens that one block holds."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        # Last in, first out: the block that was used most recently is the likeliest to be in a CPU cache.
        self._free = list(range(num_blocks - 1, -1, -1))
        self._taken: set[int] = set()

    @property
    def num_free(self) -> int:
        return len(self._free)

    @property
    def num_taken(self) -> int:
        return len(self._taken)

    def blocks_for(self, num_tokens: int) -> int:
        """Return the number of blocks that hold `num_tokens`."""
        return -(-num_tokens // self.block_size)

    def grow(self, block_table: list[int], num_tokens: int) -> bool:
        """Extend `block_table` to hold `num_tokens`; return False, with nothing changed, if too few blocks are free."""
        missing = self.blocks_for(num_tokens) - len(block_table)
        if missing > len(self._free):
            return False
        for _ in range(missing):
            block = self._free.pop()
            self._taken.add(block)
            block_table.append(block)
        return True

    def release(self, block_table: list[int]) -> None:
        """Give all blocks of `block_table` back and empty it."""
        for block in reversed(block_table):
            self._taken.remove(block)
            self._free.append(block)
        block_table.clear()

    def check_integrity(self) -> None:
        """Raises AssertionError if a block is lost, doubled, or both free and taken."""
        free = set(self._free)
        if len(free) != len(self._free) or free & self._taken or len(free) + len(self._taken) != self.num_blocks:
            raise AssertionError(f"block pool: {len(self._free)} free, {len(self._taken)} taken of {self.num_blocks}")
