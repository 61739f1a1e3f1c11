"""Figures of streams whose times are written down by hand."""

import pytest

from tandem.ar.v1 import ar_pb2
from tandem.measure.results.record import merge
from tandem.measure.studies.growth.streams import together
from tests.unit.tandem.measure.records import USE, Recorder, row
from tests.unit.tandem.measure.studies.growth.imagined import Stream, at_once

# One waits for its prompt while the other generates; both generate from 2.0 to 4.0.
EARLY = Stream(0.0, [1.0, 1.5, 2.0, 3.0, 4.0], [1, 1, 1, 1, 1], [1, 2, 3, 4, 5])
LATE = Stream(0.0, [2.0, 3.0, 4.0, 5.0], [1, 2, 2, 1], [6, 7, 8, 9, 10, 11])
BOTH = at_once([EARLY, LATE])


def test_figures_of_streams_are_those_of_the_part_in_which_all_generate():
    assert BOTH.common == (2.0, 4.0)
    assert BOTH.decode_tokens_per_second == pytest.approx((2 + 4) / 2.0)
    assert (BOTH.gap_p50_seconds, BOTH.first_token_p50_seconds) == (1.0, 1.0)
    assert BOTH.whole_tokens_per_second == pytest.approx(11 / 5.0)  # from the sending on
    assert BOTH.tokens_per_message == pytest.approx((4 + 5) / 7)  # behind the first
    apart = at_once([Stream(0.0, [1.0, 2.0], [1, 1], [1, 2]), Stream(0.0, [3.0, 4.0], [1, 1], [3, 4])])
    assert (apart.decode_tokens_per_second, apart.gap_p50_seconds) == (None, None)
    lone = at_once([Stream(0.0, [1.0], [4], [1, 2, 3, 4])])
    assert (lone.decode_tokens_per_second, lone.tokens_per_message) == (None, 0.0)


def test_the_tokens_of_given_requests_are_in_their_order():
    recorder = Recorder(1)
    for number, token in ((8, 3), (7, 2), (6, 4)):
        message = ar_pb2.GenerateResponse(token_ids=[token] * 2).SerializeToString()
        messages = [(number, 0.5, 2), (number, 0.9, 2)]
        recorder.ended(row(number, 0.1, 1.0, sent=0.2), messages, [(number, message)] * 2)
    found = together(merge([recorder.record(USE)]), "Generate", 3)
    assert found.token_ids == [[4] * 4, [2] * 4, [3] * 4]
    assert found.first_token_p50_seconds == pytest.approx(0.3)
