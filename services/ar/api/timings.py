"""The phases of a text request, from the instants that stream and sequences noted. They add up to the total."""

import time
from collections.abc import Sequence

from runtime.metrics import Timings
from runtime.rpc.rpc import Call
from services.ar.engine.request_stream import RequestStream


def request_timings(streams: Sequence[RequestStream], call: Call) -> Timings:
    """Return the timings of a request whose last token is known; all instants are monotonic seconds.

    `streams` are its parts, one after another. Waiting for the handler to begin is queueing, as waiting for a place in
    a step is. Prompts and images are encoded between the two, text and partial images decoded while the engine goes
    on. So encode is what lies outside of the engine: before the request was queued, and after its last token, as the
    decoding of a finished image does.
    """
    now = time.monotonic()
    sequences = [sequence for stream in streams for sequence in stream.sequences]
    accepted_at = streams[0].accepted_at
    scheduled_at = min(s.scheduled_at for s in sequences if s.scheduled_at is not None)
    first_token_at = streams[0].first_token_at or now
    last_token_at = streams[-1].last_token_at or now
    num_steps = sum(sequence.num_steps for sequence in sequences)
    return Timings(
        queue_seconds=(call.started_at - call.received_at) + (scheduled_at - accepted_at),
        prefill_seconds=first_token_at - scheduled_at,
        decode_seconds=last_token_at - first_token_at,
        encode_seconds=(accepted_at - call.started_at) + (now - last_token_at),
        total_seconds=now - call.received_at,
        mean_batch_size=sum(sequence.sum_batch_sizes for sequence in sequences) / max(1, num_steps),
    )
