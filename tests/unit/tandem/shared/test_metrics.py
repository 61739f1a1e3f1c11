"""The phases are the contract's, in the order of a request's life."""

from tandem.common.v1 import timings_pb2
from tandem.shared.metrics import phase_seconds


def test_only_phases_that_took_time_are_there():
    timings = timings_pb2.Timings(queue_seconds=0.5, decode_seconds=2.0, total_seconds=2.5, mean_batch_size=3.0)
    assert phase_seconds(timings) == {"queue": 0.5, "decode": 2.0}
