"""Are an engine's outputs right? Its greedy tokens against a float32 reference, a disagreement counted once.

Where an engine leaves the reference, it is set back on the reference's path and goes on: a near tie costs one token
and not all that follow. A wrong tokenizer, rotary layout or cache costs nearly all of them.
"""

from collections.abc import Sequence

from benchmarks.peers.engine import Prompt
from benchmarks.side_by_side.asker import Asker

NUM_TOKENS = 64
LEAST_AGREEMENT = 0.6
"""Below, something is wrong. Coarse weights alone cost about a quarter of the tokens (llama.cpp's Q4_0: 0.73)."""


async def agreement(asker: Asker, prompts: Sequence[Prompt], expected: Sequence[list[int]]) -> float:
    """Return the share of the reference's tokens that the engine would have chosen too."""
    places = dict.fromkeys(range(len(prompts)), 0)  # of the prompts that are not through: the next token to compare
    disagreements = 0
    while places:
        asked = [prompts[each] + expected[each][:place] for each, place in places.items()]
        lengths = [len(expected[each]) - place for each, place in places.items()]
        outputs = await asker.outputs(asked, lengths)
        differences = {
            each: first_difference(output, expected[each][place:])
            for (each, place), output in zip(places.items(), outputs, strict=True)
        }
        found = {each: places[each] + differs + 1 for each, differs in differences.items() if differs is not None}
        disagreements += len(found)
        places = {each: place for each, place in found.items() if place < len(expected[each])}
    return 1 - disagreements / sum(map(len, expected))


def first_difference(found: Sequence[int], expected: Sequence[int]) -> int | None:
    """Return where two outputs of one length part."""
    pairs = enumerate(zip(found, expected, strict=True))
    return next((place for place, (a, b) in pairs if a != b), None)
