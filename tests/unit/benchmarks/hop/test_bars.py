"""The bars of the hop are of figures that its page shows."""

from benchmarks.hop.bars import BARS
from benchmarks.hop.page import _COSTS


def test_no_figure_is_named_twice_in_a_bar() -> None:
    assert all(len(set(bar.figures)) == len(bar.figures) > 0 for bar in BARS)
    assert {bar.figures[0] for bar in BARS[:4]} <= set(_COSTS)
