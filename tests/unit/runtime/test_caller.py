"""Who calls, read from metadata: one identifier or nobody; anything else is refused, not mended."""

import pytest

from runtime.caller import CALLER_METADATA, NOBODY, caller_of
from runtime.errors import InvalidArgument


@pytest.mark.parametrize("value", ["a", "0123456789abcdef" * 2, "A-z_9", "x" * 64])
def test_an_identifier_is_taken_as_it_is(value: str) -> None:
    assert caller_of([("user-agent", "grpc"), (CALLER_METADATA, value)]) == value


def test_without_one_it_is_nobody() -> None:
    assert caller_of([("user-agent", "grpc"), (CALLER_METADATA + "-bin", b"alice")]) == NOBODY


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a,b", "é", "a\n", "../a", b"alice"])
def test_what_is_no_identifier_is_refused(value: str | bytes) -> None:
    with pytest.raises(InvalidArgument, match=r"tandem-caller: .* accepted: one value of 1 to 64 characters"):
        caller_of([(CALLER_METADATA, value)])


def test_two_values_are_refused_even_if_they_are_alike() -> None:
    with pytest.raises(InvalidArgument, match=r"tandem-caller: \['a', 'a'\]"):
        caller_of([(CALLER_METADATA, "a"), (CALLER_METADATA, "a")])
