"""The cost of masks as a share of a step: python -m benchmarks.constraints [--model NAME] [--rounds N]

Loads the model as the server does and generates for 1, 8 and 32 sequences at a time, held to a constraint and not, in
turn. Counted is all that masks take of the engine's thread: computing them, following the tokens, and ruling tokens out
before the sampler draws. A step is what the engine's own metric says it is.
"""

import argparse
import asyncio
import statistics
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from unittest.mock import patch

from benchmarks.constraints.timed_mask import Spent, TimedMask
from runtime.deadlines import Deadline
from runtime.metrics import new_registry
from runtime.models import ModelRepository
from services.ar.api.modalities.text import TextModality
from services.ar.api.sequential_model import SequentialModel
from services.ar.compute.torch import sampling, token_masks
from services.ar.constraints.constraint import Constraint
from services.ar.constraints.grammar_mask import GrammarMask
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.loading import load_and_start
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings

PERSON = (
    '{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"mail":{"type":"string",'
    '"format":"email"}},"required":["name","age","mail"],"additionalProperties":false}'
)
CONSTRAINTS: dict[str, Constraint | None] = {
    "none": None,
    "schema": Constraint("json_schema", (f'{{"type":"array","items":{PERSON},"minItems":99}}',)),
    "any JSON": Constraint("json_schema", ('{"type":"array","minItems":999}',)),
    "regex": Constraint("regex", ("[A-Z][a-z]*( [a-z]+)*(, [a-z]+( [a-z]+)*){0,500}",)),
}
PROMPT = "Make a list of people in JSON, each with name, age and mail:"
NUM_TOKENS = 64


class Bench:
    """Generates with one model; `step` returns the mean seconds of a step and of the masks in it, and per mask."""

    def __init__(self, model: SequentialModel, sample: Callable[[str, dict[str, str]], float | None]) -> None:
        self._model = model
        self._sample = sample
        self._spent = Spent()
        assert model.modality.text_codec is not None, f"{model.name} is no model of texts"
        self._prompt = model.modality.text_codec.encode(PROMPT)

    async def step(self, constraint: Constraint | None, num_sequences: int, seed: int) -> tuple[float, float, float]:
        params = SamplingParams(seed=seed, max_tokens=NUM_TOKENS, ignore_eos=True)
        masks = await self._masks(constraint, num_sequences)
        sequences = [
            Sequence(self._prompt, params, self._model.codec.eos_token_ids, index, token_mask=mask)
            for index, mask in enumerate(masks)
        ]
        seconds, count = self._metric("sum"), self._metric("count")
        self._spent.seconds, self._spent.num_masks = 0.0, 0
        with patch.object(sampling, "rule_out", self._spent.measuring(token_masks.rule_out)):
            stream = self._model.engine.submit(sequences)
            while not stream.is_finished:
                await stream.get()
        steps = self._metric("count") - count
        of_a_mask = self._spent.seconds / max(1, self._spent.num_masks)
        return (self._metric("sum") - seconds) / steps, self._spent.seconds / steps, of_a_mask

    async def _masks(self, constraint: Constraint | None, count: int) -> SequenceOf[TimedMask | None]:
        if constraint is None:
            return [None] * count
        modality = self._model.modality
        assert isinstance(modality, TextModality)
        compilations = modality.parts[0]
        masks: list[GrammarMask] = await compilations.masks(constraint, count, Deadline.after(60.0), "")  # type: ignore[union-attr]
        return [TimedMask(mask, self._spent) for mask in masks]

    def _metric(self, which: str) -> float:
        return self._sample(f"tandem_step_seconds_{which}", {"model": self._model.name}) or 0.0


async def main(name: str, rounds: int) -> None:
    registry = new_registry()
    settings = ArSettings.model_validate({"device": "cpu", "max_num_sequences": 32})
    model = await load_and_start(ModelRepository(Path("models")).get(name), settings, ArMetrics(registry))
    bench = Bench(model, registry.get_sample_value)
    print(f"{name}, {model.description.dtype}; {NUM_TOKENS} tokens a sequence, {rounds} rounds; mean (least to most)")
    print("| sequences | constraint | step, ms | a mask, us | masks of a step |\n|---|---|---|---|---|")
    for num_sequences in (1, 8, 32):
        results: dict[str, list[tuple[float, float, float]]] = {kind: [] for kind in CONSTRAINTS}
        for seed in range(rounds):
            for kind, constraint in CONSTRAINTS.items():
                results[kind].append(await bench.step(constraint, num_sequences, seed))
        for kind, measured in results.items():
            print(row(num_sequences, kind, measured))
    for part in model.parts:
        await part.stop()


def row(num_sequences: int, kind: str, measured: SequenceOf[tuple[float, float, float]]) -> str:
    step, mask = (statistics.mean(each[place] for each in measured) for place in (0, 2))
    shares = [100 * masks / whole for whole, masks, _ in measured]
    share = f"{statistics.mean(shares):.2f} % ({min(shares):.2f} to {max(shares):.2f})"
    return f"| {num_sequences} | {kind} | {1e3 * step:.2f} | {1e6 * mask:.0f} | {share} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.model, arguments.rounds))
