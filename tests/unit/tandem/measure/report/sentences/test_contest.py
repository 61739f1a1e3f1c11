"""Who wins, in words."""

import pytest

from tandem.measure.report.sentences.contest import contest


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        ((4.0, 2.0), "Parallel wins everywhere from 1/s to 100/s, by a factor of 2 to 4 (4 at 1/s, 2 at 100/s)."),
        ((0.5, 0.5), "Sequential wins everywhere from 1/s to 100/s, by a factor of 2 (2 at 1/s, 2 at 100/s)."),
        ((1.004, 0.998), "Neither wins: everywhere from 1/s to 100/s they differ by less than 1 %."),
        ((4.0, 0.25), "It depends: parallel wins at 1/s, sequential from about 10/s on."),
    ],
)
def test_a_contest(ratios: tuple[float, float], text: str) -> None:
    assert contest((1.0, 100.0), ratios, "{}/s") == text


def test_one_point_is_no_range() -> None:
    assert contest((5.0,), (3.0,), "{} in flight") == "Parallel wins at 5 in flight, by a factor of 3."
    assert contest((5.0,), (1.004,), "{} in flight") == "Neither wins: at 5 in flight they differ by less than 1 %."
