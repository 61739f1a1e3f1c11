"""Numbers for people."""

import pytest

from tandem.measure import formats
from tandem.measure.results.value import Value


@pytest.mark.parametrize(
    ("show", "texts"),
    [
        # Three digits, or all that are before the point.
        (formats.number, {0.0: "0", 0.01234: "0.0123", 36.34: "36.3", 99.6: "100", 1027.4: "1,027", -250.4: "-250"}),
        (
            formats.seconds,
            {0.0: "0 µs", 0.000123: "123 µs", 0.0009996: "1 ms", 0.00123: "1.23 ms", 0.1234: "123 ms", 0.9996: "1 s"}
            | {61.5: "61.5 s", 1234.5: "1,234 s", -2.5: "-2.5 s"},
        ),
        # No digits that say nothing.
        (formats.share, {0.123: "12.3%", 0.996: "99.6%", 1.0: "100.0%", 3.9114: "391%", -1.5: "-150%"}),
    ],
)
def test_numbers_for_people(show: formats.Show, texts: dict[float, str]) -> None:
    assert {value: show(value) for value in texts} == texts


def test_no_control_character_reaches_a_terminal() -> None:
    assert formats.printable("a\x1b[31mb\r\x07c\n\td é 日本") == "a�[31mb��c\n\td é 日本"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.001, 0.002, "1.5 ms (1 to 2)"), (0.0005, 0.002, "1.5 ms (0.5 to 2)"), (None, None, "1.5 ms")],
)
def test_a_value_and_how_sure_it_is(low: float | None, high: float | None, expected: str) -> None:
    assert formats.with_interval(Value(value=0.0015, low=low, high=high, count=9), formats.seconds) == expected


def test_the_range_of_one_round_says_nothing() -> None:
    assert formats.ends(Value(value=2.0, low=2.0, high=2.0, method="range", count=1), formats.number) == ""
    assert formats.ends(Value(value=2.0, low=1.0, high=3.0, method="range", count=2), formats.number) == "1-3"
    assert formats.ends(Value(value=2.0, low=-1.0, high=3.0, method="bca", count=9), formats.number) == "-1 to 3"
