"""A fault in each stage of a step, while one sequence is handled: that sequence fails, the others' outputs stay.

The real engine, scheduler, prefix cache, drafter and a tiny model; the fault is raised by the stage's own function.
"""

import asyncio
import random
from typing import Any

import pytest
import torch

from services.ar.compute.runner import Runner
from services.ar.compute.torch import sampling
from services.ar.compute.torch.exact import make_exact
from services.ar.compute.torch.forward import TorchForward
from services.ar.compute.torch.kv_cache import KVCache
from services.ar.compute.torch.loading import load_transformer
from services.ar.compute.torch.transformer import Transformer
from services.ar.engine import scheduler
from services.ar.engine.admission import AdmissionLimits
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import TextDrafter
from services.ar.engine.engine import Engine
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SamplingParams, Sequence
from services.ar.engine.step import Layout
from services.ar.model.weights import open_checkpoint
from tandem.shared.errors import Internal, ModelFault, TandemError
from tests.tiny_models import VOCAB_SIZE, save_tiny_model
from tests.unit.services.ar.engine.rig import Outcomes, read

GOOD = list(range(8))  # the seeds of those that must not notice
GUILTY_SEED = 666
BLOCK_SIZE, NUM_BLOCKS, CHUNK_TOKENS = 8, 96, 16


class Fault(Exception):
    """What a stage raises."""


def guilty_of(*arguments: Any) -> list[Sequence]:
    """Return the guilty ones of the sequences that a function handles, whatever it is given them in."""
    found: list[Sequence] = []
    for each in arguments:
        works = [*each.decodes, *(work for work, _ in each.chunks)] if isinstance(each, Layout) else [each]
        found += [getattr(work, "sequence", work) for work in works]
    return [one for one in found if isinstance(one, Sequence) and one.params.seed == GUILTY_SEED]


# Where the fault is raised.
STAGES: dict[str, tuple[Any, str]] = {
    "schedule: how many tokens": (scheduler, "next_work"),
    "schedule: blocks": (Scheduler, "_make_room"),
    "schedule: shared prefix": (PrefixCache, "share"),
    "schedule: count of shared tokens": (PrefixCache, "count"),
    "schedule: draft": (TextDrafter, "add_draft"),
    "run: layout": (Layout, "_add"),
    "run: model": (TorchForward, "__call__"),
    "run: sampling": (sampling, "_uniform"),
    "commit: state": (Scheduler, "_advance"),
    "commit: publishing blocks": (PrefixCache, "keep"),
    "commit: verdict on a draft": (TextDrafter, "judge"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_model(folder)
    transformer = load_transformer(open_checkpoint(folder), torch.float32, torch.device("cpu"))
    make_exact(transformer)
    transformer.prepare(512)
    return transformer


def engine_of(model: Transformer) -> tuple[Engine, Scheduler, KVCache, Outcomes]:
    pool = BlockPool(NUM_BLOCKS, BLOCK_SIZE)
    cache = KVCache(model.config, NUM_BLOCKS, BLOCK_SIZE, torch.float32, torch.device("cpu"))
    scheduler = Scheduler(pool, 6, 40, CHUNK_TOKENS, PrefixCache(pool, CHUNK_TOKENS), TextDrafter(4, 64))
    runner = Runner(TorchForward(model, cache, num_threads=1, is_exact=True), BLOCK_SIZE, VOCAB_SIZE)
    outcomes = Outcomes()
    return Engine(scheduler, runner, outcomes, AdmissionLimits(8, 64, 64, 60.0)), scheduler, cache, outcomes


def new_sequence(seed: int) -> Sequence:
    """Return a sequence whose prompt fills whole chunks and repeats itself, so that every stage has work with it."""
    chance = random.Random(seed)
    few = [chance.randrange(VOCAB_SIZE) for _ in range(3)]
    bias = dict.fromkeys(few, 20.0)
    return Sequence(few * 12, SamplingParams(seed=seed, max_tokens=24, temperature=0.8, logit_bias=bias))


async def outputs(engine: Engine, seeds: list[int]) -> dict[int, list[int] | BaseException]:
    """Return what came for each seed, all of them submitted at once: its tokens, or the error."""
    streams = [engine.submit([new_sequence(seed)]) for seed in seeds]
    results = await asyncio.gather(*map(read, streams), return_exceptions=True)
    return dict(zip(seeds, results, strict=True))


@pytest.fixture(scope="module")
def expected(model: Transformer) -> dict[int, list[int] | BaseException]:
    """What the GOOD sequences come to where nothing fails."""

    async def run() -> dict[int, list[int] | BaseException]:
        engine, *_ = engine_of(model)
        engine.start()
        found = await outputs(engine, GOOD)
        await engine.stop()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("after_tokens", [0, 5])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_fault_in_a_stage_ends_the_sequence_that_it_belongs_to(
    model, expected, monkeypatch, stage, after_tokens
):
    owner, name = STAGES[stage]
    original, raised = getattr(owner, name), []

    def faulty(*arguments: Any) -> Any:
        if any(each.num_output_tokens >= after_tokens for each in guilty_of(*arguments)):
            raised.append(stage)
            raise Fault(stage)
        return original(*arguments)

    monkeypatch.setattr(owner, name, faulty)
    engine, scheduler, _, outcomes = engine_of(model)
    engine.start()
    found = await outputs(engine, [*GOOD[:4], GUILTY_SEED, *GOOD[4:]])
    again = await outputs(engine, GOOD)
    await engine.stop()
    only_at_admission = stage in ("schedule: shared prefix", "schedule: count of shared tokens")
    if only_at_admission and after_tokens:
        assert not raised  # the sequence had been admitted before it had output
    else:
        assert raised
        assert isinstance(found.pop(GUILTY_SEED), Internal)
    assert {seed: found[seed] for seed in GOOD} == again == expected
    assert outcomes.count("failed") == bool(raised)
    scheduler.check_integrity()
    assert scheduler._pool.num_taken == 0


async def test_a_model_that_computes_no_number_ends_the_sequence_with_a_clear_error(model, expected, monkeypatch):
    """The guilty sequence's token has an embedding of NaN; its blocks are not shared with those that begin alike."""
    poison = next(token for token in range(VOCAB_SIZE) if not uses(token, expected))
    rows = model.embedding.weight.clone()
    rows[poison] = torch.nan
    monkeypatch.setattr(model.embedding, "weight", torch.nn.Parameter(rows, requires_grad=False))

    engine, scheduler, cache, outcomes = engine_of(model)
    engine.start()
    bad = [Sequence([5] * 16 + [poison] * 30, SamplingParams(seed=number, max_tokens=8)) for number in range(3)]
    streams = [engine.submit([each]) for each in bad]
    found = await outputs(engine, GOOD)
    for stream in streams:
        with pytest.raises(ModelFault, match="other requests are not affected"):
            await read(stream)
    late = engine.submit([Sequence([5] * 16 + [poison] * 30, SamplingParams(max_tokens=8))])
    with pytest.raises(TandemError):
        await read(late)
    await engine.stop()
    assert found == expected
    assert sorted(outcomes) == ["failed"] * 4 + ["finished"] * 8
    assert all(each.num_computed_tokens <= 16 for each in bad)
    assert all(layer.isfinite().all() for number in range(model.config.num_layers) for layer in cache.layer(number))
    scheduler.check_integrity()


def uses(token: int, outputs: dict[int, list[int] | BaseException]) -> bool:
    prompts = {seed: new_sequence(seed).prompt_token_ids for seed in outputs}
    return any(token in prompts[seed] or token in found for seed, found in outputs.items())
