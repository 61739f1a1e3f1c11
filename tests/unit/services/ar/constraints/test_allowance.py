import pytest

from services.ar.constraints.allowance import BURST_SECONDS, SECONDS_A_MASK, Allowance
from tandem.shared.errors import TooComplex


def test_a_burst_passes_once():
    allowance = Allowance()
    allowance.spend(0.9 * BURST_SECONDS, 1)
    with pytest.raises(TooComplex, match="too long"):
        allowance.spend(0.9 * BURST_SECONDS, 1)


def test_what_each_mask_may_take_fills_it_up_again_to_the_brim_and_no_further():
    allowance = Allowance()
    for _ in range(1000):
        allowance.spend(SECONDS_A_MASK, 1)
    allowance.spend(0.0, 1000)
    allowance.spend(0.99 * BURST_SECONDS, 1)
    with pytest.raises(TooComplex):
        allowance.spend(BURST_SECONDS, 1)


def test_several_masks_at_a_time_may_take_as_much_as_one_by_one():
    allowance = Allowance()
    for _ in range(100):
        allowance.spend(8 * SECONDS_A_MASK, 8)
