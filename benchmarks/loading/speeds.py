"""How fast a server generates: one text and eight at a time, and long prompts. All tokens are random."""

import random

from benchmarks.peers.engine import Engine, Need
from benchmarks.side_by_side.asker import Asker
from benchmarks.side_by_side.workloads import NUM_PROMPT_TOKENS, WORKLOADS
from tandem.measure.generator.generator import generator

NEED = Need(num_sequences=8, num_context_tokens=2048)
"""What the server must hold."""

_WORKLOADS = [each for each in WORKLOADS if each.name in ("decode_1", "decode_8", "prefill")]
_NUM_WARM_UP_TOKENS = 8


async def speeds(engine: Engine, port: int, vocab_size: int) -> dict[str, float]:
    """Return tokens a second, by workload."""
    source = random.Random(0)

    def passage(num_tokens: int) -> list[int]:
        return [source.randrange(vocab_size // 2, vocab_size) for _ in range(num_tokens)]  # none of them ends a text

    figures = {}
    async with generator(f"127.0.0.1:{port}") as sender:
        asker = Asker(engine, sender)
        for workload in _WORKLOADS:
            count = workload.need.num_sequences
            await asker.ask([passage(NUM_PROMPT_TOKENS) for _ in range(count)], _NUM_WARM_UP_TOKENS, at_a_time=count)
            found = await workload.run(asker, passage)
            figures[f"{workload.name}_tokens_per_second"] = found["tokens_per_second"]
    return figures
