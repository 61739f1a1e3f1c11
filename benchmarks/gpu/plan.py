"""The plan as data: what each step proves, how long it may take, which function carries it out, and what it must reach.

Imports neither torch nor ONNX Runtime: a machine on which these do not import gets its page, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.harness.figures import Bar


@dataclass(frozen=True)
class Step:
    """`work` is a function of this package, as "module.function", which is given a Stage and the Figures to add to."""

    name: str
    proves: str
    work: str
    limit_seconds: float
    bars: tuple[Bar, ...] = ()


def _all(what: str, *figures: str) -> Bar:
    return Bar(what, figures, 1.0, 1.0, "%", is_floor=True)


def _none(what: str, *figures: str) -> Bar:
    return Bar(what, figures, 0.0, 0.0, "")


_IMAGE_BAR = 0.005  # 1e-2 where values are from -1 to 1

STEPS = (
    Step(
        "load",
        "both services import, load and answer on the device: cold, and with what the engines keep on disk",
        "services.load",
        90.0,
        (_all("a seed repeated gives the same output", "load.same_again"),),
    ),
    Step(
        "tokens",
        "greedy answers equal those of the CPU",
        "text.tokens",
        60.0,
        (_all("answers in float32 equal to the CPU's, token for token", "tokens.float32.equal_answers"),),
    ),
    Step(
        "images",
        "images equal those of the CPU, and a seed's image is the same in any batch",
        "images.equal",
        20.0,
        (
            Bar("largest difference of a value, of the range", ("images.float32.difference",), _IMAGE_BAR, 1e-3, "%"),
            _all("a seed gives the same bits in any batch", "images.float32.same_in_any_batch"),
        ),
    ),
    Step(
        "graphs",
        "a graph is captured once for each size, replayed twice and in a second shape, and changes nothing",
        "text.graphs",
        40.0,
        (
            _all("sizes captured exactly once, the largest first", "graphs.captured_once"),
            _none("captured again, or logits that a replay changed", "graphs.captured_later", "graphs.changed_replays"),
            Bar("launches of the size that had the fewest", ("graphs.fewest_launches",), 4.0, 4.0, "", is_floor=True),
            Bar("distance from steps without graphs, of the range", ("graphs.distance",), 0.01, 0.0, "%"),
        ),
    ),
    Step("decode", "a decode step as a share of what the memory's bandwidth allows", "text.decode", 30.0),
    Step("streams", "tokens/s served", "text.streams", 50.0),
    Step("peer", "tokens/s of vLLM, where it is installed", "text.peer", 110.0),
    Step("speed", "images/s in float16: bare, served and through the gateway", "images.speed", 50.0),
    Step("ratio", "how much faster an image in parallel is than one in sequence", "services.ratio", 65.0),
    Step("together", "what each service takes from the other on one device", "services.together", 45.0),
    Step("joules", "energy of an image and of a token", "services.joules", 40.0),
)
