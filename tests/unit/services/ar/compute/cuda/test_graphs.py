"""The ladder of sizes; what is captured and launched, test_forward shows."""

import pytest

from services.ar.compute.cuda.graphs import ladder


@pytest.mark.parametrize("most", [1, 2, 3, 8, 9, 60, 64, 65, 256, 1000, 1024])
def test_a_ladder_ends_at_the_most_and_pads_little(most):
    sizes = ladder(most)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == most
    for below, size in zip([0, *sizes], sizes, strict=False):
        assert size - below - 1 <= max(7, below // 8)  # padding of the worst number of rows
    assert len(sizes) <= 44
