"""Which of several measurements counts."""

import pytest

from benchmarks.parallel.undisturbed import undisturbed


@pytest.mark.parametrize(
    ("others", "counts"),
    [
        ([0.1, 0.0, 0.0], 0),  # the first one that is quiet, not the quietest
        ([0.5, 0.05, 0.0], 1),
        ([0.5, 0.3, 0.4, 0.0], 1),  # none of three is: the least disturbed
    ],
)
def test_it_is_the_first_quiet_one_or_else_the_quietest(others: list[float], counts: int) -> None:
    attempts = enumerate(others)
    assert undisturbed(lambda: next(attempts), lambda attempt: attempt[1]) == (counts, others[counts])
