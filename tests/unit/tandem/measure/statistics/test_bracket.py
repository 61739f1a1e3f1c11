"""Where a capacity lies by trials that agree and by trials that do not, and which rate is tried next."""

from __future__ import annotations

import pytest

from tandem.measure.statistics.bracket import bracket, next_rate


def searched(capacity: float, first: float, num_trials: int, near: float = 1.0) -> list[tuple[float, bool | None]]:
    """Try a machine that misses the objective above its capacity, and meets it below a part of that."""
    tried: list[tuple[float, bool | None]] = []
    for number in range(num_trials):
        rate = next_rate(tried, first, num_trials - number)
        tried.append((rate, False if rate > capacity else True if rate <= capacity * near else None))
    return tried


def test_it_lies_between_what_met_the_objective_and_what_did_not() -> None:
    tried = [(30, False), (10, True), (40, False), (20, True)]
    assert bracket(tried) == (20, 30)
    assert bracket(tried[1::2]) == (20, None)
    assert bracket(tried[:1]) == (None, 30)
    assert bracket([]) == (None, None)


def test_trials_that_disagree_or_cannot_tell_make_it_wide() -> None:
    assert bracket([(10, True), (20, False), (30, True), (40, False)]) == (10, 40)
    assert bracket([(10, True), (20, None), (30, False)]) == (10, 30)
    assert bracket([(20, True), (20, False)]) == bracket([(20, None)]) == (None, None)


@pytest.mark.parametrize("capacity", [11.0, 40.0, 95.0, 100.0, 160.0, 700.0])
@pytest.mark.parametrize("near", [1.0, 0.9])
def test_a_capacity_is_found_and_its_ends_are_tried_again(capacity: float, near: float) -> None:
    tried = searched(capacity, 100.0, 14, near)
    low, high = bracket(tried)
    assert low is not None
    assert high is not None
    assert low <= capacity * near
    assert capacity < high <= low * 1.2**2 / near
    rates = [rate for rate, _ in tried]
    assert rates.count(low) > 1
    assert rates.count(high) > 1


def test_five_trials_around_the_first_guess_find_both_ends_and_try_the_lower_one_again() -> None:
    assert [rate for rate, _ in searched(75.0, 100.0, 5)] == pytest.approx([100, 71.43, 84.52, 71.43, 84.52], rel=1e-3)


def test_trials_that_disagree_on_both_sides_go_on_outwards() -> None:
    assert next_rate([(20.0, False), (30.0, True)], 20.0, 9) == 42.0
    assert next_rate([(20.0, False), (30.0, True), (42.0, False)], 20.0, 9) == pytest.approx(14.29, rel=1e-3)
