"""The phases of a text request, from the instants that stream and sequences noted. They add up to the total."""

import time

from runtime.metrics import Timings
from services.ar.request_stream import RequestStream


def request_timings(stream: RequestStream, received_at: float) -> Timings:
    """Return the timings of a request whose last token is known; all instants are monotonic seconds.

    Text is encoded before the queue and decoded while the engine goes on, so encode is what lies outside of it: before
    the request was queued, and after its last token.
    """
    now = time.monotonic()
    scheduled_at = min(s.scheduled_at for s in stream.sequences if s.scheduled_at is not None)
    first_token_at = stream.first_token_at or now
    last_token_at = stream.last_token_at or now
    num_steps = sum(sequence.num_steps for sequence in stream.sequences)
    return Timings(
        queue_seconds=scheduled_at - stream.accepted_at,
        prefill_seconds=first_token_at - scheduled_at,
        decode_seconds=last_token_at - first_token_at,
        encode_seconds=(stream.accepted_at - received_at) + (now - last_token_at),
        total_seconds=now - received_at,
        mean_batch_size=sum(sequence.sum_batch_sizes for sequence in stream.sequences) / max(1, num_steps),
    )
