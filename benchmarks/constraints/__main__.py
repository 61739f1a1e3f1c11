"""The cost of masks as a share of a step: python -m benchmarks.constraints [--model NAME] [--rounds N]

Loads the model as the server does and generates for 1, 8 and 32 sequences at a time, held to a constraint and not, in
turn. Counted is what masks take of the engine's thread: computing them and following the tokens. To rule tokens out
before a token is drawn is part of the step, and not counted apart: the kernel does it as it samples. A step is what the
engine's own metric says it is. The last line of stdout is JSON.
"""

import asyncio
import itertools
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from pathlib import Path

from benchmarks.constraints.timed_mask import Spent, TimedMask
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.kernel import TEXT_MODEL
from benchmarks.harness.printing import show, spread_table
from runtime.deadlines import Deadline
from runtime.metrics import new_registry
from runtime.models import ModelRepository
from services.ar.api.modalities.text import TextModality
from services.ar.api.sequential_model import SequentialModel
from services.ar.constraints.constraint import Constraint
from services.ar.constraints.grammar_mask import GrammarMask
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.loading import load_and_start
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from tandem.measure.formats import counted

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
COLUMNS = ("step, ms", "a mask, us", "masks of a step, %")


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


async def measure(name: str, rounds: int) -> Figures:
    figures, registry = Figures(), new_registry()
    settings = ArSettings.model_validate({"device": "cpu", "max_num_sequences": 32})
    model = await load_and_start(ModelRepository(Path("models")).get(name), settings, ArMetrics(registry))
    bench = Bench(model, registry.get_sample_value)
    for num_sequences, seed in itertools.product((1, 8, 32), range(rounds)):
        for kind, constraint in CONSTRAINTS.items():
            step, masks, of_a_mask = await bench.step(constraint, num_sequences, seed)
            case = f"{counted(num_sequences, 'sequence')}, {kind}"
            for column, value in zip(COLUMNS, (1e3 * step, 1e6 * of_a_mask, 100 * masks / step), strict=True):
                figures.add(case, column, value)
    for part in model.parts:
        await part.stop()
    return figures


def main() -> None:
    flags = parser(__doc__, rounds=3)
    flags.add_argument("--model", default=TEXT_MODEL)
    options = flags.parse_args()
    found = asyncio.run(measure(options.model, options.rounds)).spreads()
    title = f"{options.model}, {NUM_TOKENS} tokens a sequence: median (min-max) of {options.rounds} rounds"
    show(spread_table(found, COLUMNS, title=title), {"benchmark": "constraints", "figures": found})


if __name__ == "__main__":
    main()
