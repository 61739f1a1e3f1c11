"""One line about a generation that has ended: how much, how fast, where the time went."""

from tandem.cli.use.stopwatch import Stopwatch
from tandem.client import GenerateChunk
from tandem.measure import formats


def generation_summary(last: GenerateChunk, stopwatch: Stopwatch, is_full: bool = False) -> str:
    """Return the line; `last` is the stream's last chunk. `is_full`: with the phases and how it ended, too."""
    parts = [formats.counted(last.usage.output_tokens if last.usage else stopwatch.num_tokens, "token")]
    if stopwatch.first_output_seconds is not None:
        parts.append(f"first token {formats.seconds(stopwatch.first_output_seconds)}")
    if stopwatch.tokens_per_second is not None:
        parts.append(f"{stopwatch.tokens_per_second:.1f} tokens/s after it")
    if is_full and last.timings is not None:
        timings = last.timings
        phases = {
            "queue": timings.queue_seconds,
            "prefill": timings.prefill_seconds,
            "decode": timings.decode_seconds,
            "encode": timings.encode_seconds,
        }
        parts += [f"{name} {formats.seconds(seconds)}" for name, seconds in phases.items()]
    if last.usage is not None:
        parts.append(f"seed {last.usage.seed}")
    if is_full and last.finish_reason is not None:
        parts.append(f"ended by {last.finish_reason}")
    return " · ".join(parts)
