"""What counts as the same output, and the table of a seed check."""

import pytest

from tandem.cli.models.seeds.check import first_difference, share_text
from tandem.cli.models.seeds.subjects import Output


@pytest.mark.parametrize(
    ("expected", "got", "place"),
    [
        (Output((1, 2, 3)), Output((1, 2, 3)), None),
        (Output((1, 2, 3)), Output((1, 9, 3)), "token 1"),
        (Output((1, 2, 3)), Output((1, 2)), "token 2"),
        (Output(), Output((1,)), "token 0"),
        (Output(pixels=b"abcd"), Output(pixels=b"abcd"), None),
        (Output(pixels=b"abcd"), Output(pixels=b"abcx"), "value 3"),
        (Output(pixels=b"abcdefgh", pixel_size=4), Output(pixels=b"abcdefgx", pixel_size=4), "value 1"),
        (Output((1,), b"ab"), Output((1,), b"ax"), "value 1"),
    ],
)
def test_the_first_difference_is_named(expected: Output, got: Output, place: str | None) -> None:
    assert first_difference(expected, got) == place


def test_a_share_is_never_rounded_up_to_the_whole() -> None:
    assert [share_text(count, 10_000) for count in (9_999, 10_000)] == ["99.9 %", "100.0 %"]
