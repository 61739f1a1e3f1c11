"""Figures of streams whose times are written down by hand."""

import pytest

from bench.growth.streams import Stream, Together

# One waits for its prompt while the other generates; both generate from 2.0 to 4.0.
EARLY = Stream(0.0, [1.0, 1.5, 2.0, 3.0, 4.0], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5])
LATE = Stream(0.0, [2.0, 3.0, 4.0, 5.0], [1, 2, 2, 1], [6, 7, 8, 9, 10, 11])
BOTH = Together([EARLY, LATE])


def test_tokens_count_while_all_generate():
    assert BOTH.common == (2.0, 4.0)
    assert BOTH.decode_tokens_per_second == pytest.approx((2 + 4) / 2.0)
    assert BOTH.gap_p50_seconds == 1.0


def test_the_whole_begins_with_the_sending():
    assert BOTH.whole_tokens_per_second == pytest.approx(11 / 5.0)
    assert BOTH.first_token_p50_seconds == 1.5


def test_messages_behind_the_first_tell_the_tokens_of_a_step():
    assert BOTH.tokens_per_message == pytest.approx((4 + 5) / 7)


def test_streams_that_never_run_at_once_have_no_rate():
    apart = Together([Stream(0.0, [1.0, 2.0], [1, 1], [1, 2]), Stream(0.0, [3.0, 4.0], [1, 1], [3, 4])])
    assert apart.decode_tokens_per_second is None
    assert apart.gap_p50_seconds is None


def test_a_lone_message_has_no_rate():
    lone = Together([Stream(0.0, [1.0], [4], [1, 2, 3, 4])])
    assert lone.decode_tokens_per_second is None
    assert lone.tokens_per_message == 0.0
