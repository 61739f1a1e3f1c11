"""What a limit in seconds means, the odd ones included."""

import math
from typing import Any

import pytest

from tandem.client.timeouts import MOST_SECONDS, call_seconds, time_left


@pytest.mark.parametrize("seconds", [None, math.inf, 1e10, 10**30])
def test_a_limit_that_nobody_lives_to_see_is_none(seconds: float | None) -> None:
    assert call_seconds(seconds) is None
    assert time_left(seconds)() is None


@pytest.mark.parametrize("seconds", [0, 0.2, 60, MOST_SECONDS])
def test_any_other_is_kept(seconds: float) -> None:
    assert call_seconds(seconds) == seconds
    left = time_left(seconds)()
    assert left is not None
    assert 0 <= left <= seconds


@pytest.mark.parametrize("seconds", [math.nan, -0.1, -math.inf])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    for read in (call_seconds, time_left):
        with pytest.raises(ValueError, match=r"^timeout_seconds: .* is not accepted; accepted: 0 or more$"):
            read(seconds)


def test_a_text_is_of_another_type() -> None:
    text: Any = "5"
    with pytest.raises(TypeError):
        call_seconds(text)
