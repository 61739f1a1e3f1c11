"""Are an engine's outputs right? Its greedy tokens against a float32 reference, a disagreement counted once.

Where an engine leaves the reference, it is set back on the reference's path and goes on: a near tie costs one token
and not all that follow. A wrong tokenizer, rotary layout or cache costs nearly all of them.
"""

from collections.abc import Sequence

from benchmarks.peers.engine import Prompt
from benchmarks.side_by_side.replies import Asker, WrongOutput, together

NUM_TOKENS = 32
LEAST_AGREEMENT = 0.85


async def reference_outputs(asker: Asker, prompts: Sequence[Prompt]) -> list[list[int]]:
    """Return the greedy outputs of the reference."""
    return [(await asker.ask([prompt], NUM_TOKENS))[0].ids for prompt in prompts]


async def agreement(asker: Asker, prompts: Sequence[Prompt], expected: Sequence[list[int]]) -> float:
    """Return the share of the reference's tokens that the engine would have chosen too."""
    pairs = list(zip(prompts, expected, strict=True))
    disagreements = sum(await together(_disagreements(asker, prompt, output) for prompt, output in pairs))
    return 1 - disagreements / sum(map(len, expected))


async def _disagreements(asker: Asker, prompt: Prompt, expected: list[int]) -> int:
    place, count = 0, 0
    while place < len(expected):
        (reply,) = await asker.ask([prompt + expected[:place]], len(expected) - place)
        differs = first_difference(reply.ids, expected[place:])
        if differs is None:
            break
        count += 1
        place += differs + 1
    return count


def first_difference(found: Sequence[int], expected: Sequence[int]) -> int | None:
    """Return where two outputs of one length part."""
    pairs = enumerate(zip(found, expected, strict=True))
    return next((place for place, (a, b) in pairs if a != b), None)


def require_agreement(share: float) -> None:
    """Raise WrongOutput if it is too small."""
    if share < LEAST_AGREEMENT:
        least = f"at least {LEAST_AGREEMENT:.0%}"
        raise WrongOutput(f"{share:.0%} of its greedy tokens are those of the float32 reference, must be {least}")
