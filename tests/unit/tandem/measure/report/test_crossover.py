"""Who wins, in words."""

import pytest

from tandem.measure.report.crossover import contest


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        (
            (4.0, 2.0),
            "Parallel wins at the 2 loads measured from 1/s to 100/s, by a factor of 2 to 4 (4 at 1/s, 2 at 100/s).",
        ),
        (
            (0.5, 0.5),
            "Sequential wins at the 2 loads measured from 1/s to 100/s, by a factor of 2 (2 at 1/s, 2 at 100/s).",
        ),
        (
            (1.4, 0.8),
            "It is too close to tell at the 2 loads measured from 1/s to 100/s: the two differ by less than a factor"
            " of 1.5.",
        ),
        ((4.0, 0.25), "Parallel wins at 1/s; sequential wins at 100/s."),
        ((4.0, 1.2), "Parallel wins at 1/s; it is too close to tell at 100/s."),
    ],
)
def test_a_contest(ratios: tuple[float, float], text: str) -> None:
    assert contest((1.0, 100.0), ratios, "{}/s", resolved=1.5) == text


def test_one_point_is_no_range() -> None:
    assert contest((5.0,), (3.0,), "{} in flight", 3.0) == "Parallel wins at 5 in flight, by a factor of 3."
    assert contest((5.0,), (2.9,), "{} in flight", 3.0) == (
        "It is too close to tell at 5 in flight: the two differ by less than a factor of 3."
    )
