"""Who wins, in words."""

import pytest

from tandem.measure.report.crossover import capacity_verdict, contest
from tandem.measure.studies.fit.capacity import capacity
from tests.unit.tandem.measure.studies.fit.test_capacity import run


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


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        (((20, 0.999), (30, 0.5)), "between 18.8 and 30/s"),
        (
            ((10, 0.999), (20, 0.999)),
            "at least 18.8/s (at 20/s, the highest rate tried, not all trials missed the objective)",
        ),
        (
            ((40, 0.5), (30, 0.5)),
            "below 30/s (at 30/s, the lowest rate tried, not all trials met the objective)",
        ),
        (
            ((10, 1.0), (20, 0.5), (20, 1.0)),
            "at least 9.41/s (at 20/s, the highest rate tried, not all trials missed the objective); the machine was"
            " not steady: met at 20/s, missed at 20/s",
        ),
        (
            ((10, 1.0), (20, 0.98), (30, 1.0), (40, 0.5)),
            "between 9.41 and 40/s; the machine was not steady: met at 30/s, missed at 20/s",
        ),
        (
            ((20, 0.9), (30, 1.0)),
            "not known, as not all trials at 20/s, the lowest rate tried, met the objective, nor did all at 30/s, the"
            " highest, miss it; the machine was not steady: met at 30/s, missed at 20/s",
        ),
    ],
)
def test_a_capacity_in_words(trials: tuple[tuple[float, float], ...], text: str) -> None:
    assert capacity_verdict(capacity("parallel", "gan", 0.25, [run(*each) for each in trials])) == text


def test_a_capacity_that_is_not_known_says_why() -> None:
    few = [run(rate, 1.0, num_requests=40) for rate in (10, 20)]
    assert capacity_verdict(capacity("parallel", "gan", 0.25, few)) == (
        "not known, as no trial was long enough for 300 requests"
    )
