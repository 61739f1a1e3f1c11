"""Laws as tables: each delay as often as it should be, and what is no law is named."""

import math

import pytest

from tandem.measure.statistics.quantiles import nearest_rank
from tandem.measure.truth.law import TABLE_SIZE, Laws, delays_of
from tandem.shared.errors import ExpectedError


def test_a_table_holds_each_delay_as_often_as_the_law_says() -> None:
    assert delays_of("0.02") == [0.02] * TABLE_SIZE
    found = delays_of("bimodal:0.02:0.1:0.05")
    assert (found.count(0.02), found.count(0.1)) == (950, 50)
    assert found[:50].count(0.1) < 50  # not one kind behind the other


@pytest.mark.parametrize(
    ("text", "median", "p99"),
    [
        ("exponential:0.03", 0.03 * math.log(2), 0.03 * math.log(100)),
        ("lognormal:0.02:0.7", 0.02, 0.02 * math.exp(0.7 * 2.3263)),
    ],
)
def test_quantiles_are_the_laws(text: str, median: float, p99: float) -> None:
    assert nearest_rank(delays_of(text), 0.5) == pytest.approx(median, rel=0.003)
    assert nearest_rank(delays_of(text), 0.99) == pytest.approx(p99, rel=0.02)


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "fixed", "bimodal:1:2", "exponential:x", "uniform:1:2", "3601", "nan"]
)
def test_what_is_no_law_is_named_with_what_is(text: str) -> None:
    with pytest.raises(ExpectedError, match=r"is no law of delays .* accepted: SECONDS, bimodal:FAST:SLOW:SHARE"):
        delays_of(text)


def test_so_many_requests_fail() -> None:
    assert sum(Laws(errors=0.013).tables()[2]) == 13
