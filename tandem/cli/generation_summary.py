"""One line about a generation that has ended: how much, how fast, where the time went."""

from tandem.cli.stopwatch import Stopwatch
from tandem.cli.terminal import seconds_text
from tandem.client import GenerateChunk


def generation_summary(last: GenerateChunk, stopwatch: Stopwatch) -> str:
    """Return the line; `last` is the stream's last chunk."""
    parts = [f"{last.usage.output_tokens if last.usage else stopwatch.num_tokens} tokens"]
    if stopwatch.first_output_seconds is not None:
        parts.append(f"first token {seconds_text(stopwatch.first_output_seconds)}")
    if stopwatch.tokens_per_second is not None:
        parts.append(f"{stopwatch.tokens_per_second:.1f} tokens/s after it")
    if last.timings is not None:
        timings = last.timings
        phases = {
            "queue": timings.queue_seconds,
            "prefill": timings.prefill_seconds,
            "decode": timings.decode_seconds,
            "encode": timings.encode_seconds,
        }
        parts += [f"{name} {seconds_text(seconds)}" for name, seconds in phases.items()]
    if last.usage is not None:
        parts.append(f"seed {last.usage.seed}")
    if last.finish_reason is not None:
        parts.append(f"ended by {last.finish_reason}")
    return " · ".join(parts)
