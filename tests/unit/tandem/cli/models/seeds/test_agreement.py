"""What counts as the same output, and the table of a seed check."""

import pytest

from tandem.cli.models.seeds.agreement import Agreement, Output, first_difference


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
    agreement = Agreement("greedy", "here:1", "alone", num_requests=10_000, num_identical=9_999)
    assert (agreement.share_text, agreement.is_whole) == ("99.9 %", False)
    agreement.num_identical = 10_000
    assert (agreement.share_text, agreement.is_whole) == ("100.0 %", True)


def test_logprobs_are_compared_to_the_bit_and_do_not_count_as_output() -> None:
    agreement = Agreement("greedy", "here:1", "beside others")
    agreement.add(0, Output((1,), logprobs=(-0.5,)), Output((1,), logprobs=(-0.5,)))
    agreement.add(1, Output((1,), logprobs=(-0.5,)), Output((1,), logprobs=(-0.5000001,)))
    assert (agreement.is_whole, agreement.logprobs_share_text) == (True, "50.0 %")
