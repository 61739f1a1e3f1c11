import pytest

from services.ar.engine.block_pool import BlockPool


def test_grow_that_does_not_fit_changes_nothing():
    pool, table = BlockPool(num_blocks=2, block_size=4), []
    assert not pool.grow(table, 9)
    assert table == []
    assert pool.num_free == 2


def test_release_leaves_the_blocks_of_the_tokens_that_stay():
    pool, table = BlockPool(num_blocks=4, block_size=4), []
    pool.grow(table, 16)
    first, second = table[:2]
    pool.release(table, 5)
    assert (table, pool.num_free) == ([first, second], 2)
    pool.release(table, 9)  # more than it holds
    assert table == [first, second]
    pool.check_integrity([table])


def test_integrity_check_finds_a_lost_block():
    pool, table = BlockPool(num_blocks=3, block_size=4), []
    pool.grow(table, 4)
    pool._num_users.clear()
    with pytest.raises(AssertionError, match="2 free, 0 idle, 0 taken of 3"):
        pool.check_integrity()
