from prometheus_client import CollectorRegistry

from services.ar.engine.block_pool import BlockPool
from services.ar.engine.drafting import TextDrafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from services.ar.metrics import ArMetrics, EngineMetrics

MODEL = {"model": "m"}


def test_a_step_is_counted_by_its_tokens_and_its_batch():
    registry, pool = CollectorRegistry(), BlockPool(num_blocks=8, block_size=4)
    scheduler = Scheduler(pool, max_num_sequences=2, max_batch_tokens=16)
    metrics = EngineMetrics(ArMetrics(registry), "m", scheduler, pool)
    for token_ids in ([1, 2, 3], [4]):
        scheduler.add(Sequence(token_ids, SamplingParams()))
    metrics.stepped(scheduler.schedule(), 0.5)
    assert registry.get_sample_value("tandem_computed_tokens_total", {**MODEL, "kind": "prefill"}) == 3
    assert registry.get_sample_value("tandem_computed_tokens_total", {**MODEL, "kind": "decode"}) == 1
    assert registry.get_sample_value("tandem_batch_size_sum", {**MODEL, "paradigm": "sequential"}) == 2
    assert registry.get_sample_value("tandem_step_seconds_sum", MODEL) == 0.5
    assert registry.get_sample_value("tandem_sequences_running", MODEL) == 2


def test_drafts_are_counted_and_are_no_prefill():
    registry = CollectorRegistry()
    pool, drafter = BlockPool(num_blocks=8, block_size=4), TextDrafter(4, max_rows=16)
    scheduler = Scheduler(pool, max_num_sequences=2, max_batch_tokens=16, drafter=drafter)
    metrics = EngineMetrics(ArMetrics(registry), "m", scheduler, pool, drafter=drafter)
    assert registry.get_sample_value("tandem_drafted_tokens_total", MODEL) == 0
    assert registry.get_sample_value("tandem_drafted_accepted_tokens_total", MODEL) == 0
    scheduler.add(Sequence([1, 2, 3, 1, 2, 3], SamplingParams()))
    for tokens in ([1], [2, 3, 9, 2, 3]):
        batch = scheduler.schedule()
        scheduler.commit(batch, [[SampledToken(token_id) for token_id in tokens]])
        metrics.stepped(batch, 0.5)
    assert registry.get_sample_value("tandem_drafted_tokens_total", MODEL) == 4
    assert registry.get_sample_value("tandem_drafted_accepted_tokens_total", MODEL) == 2
    assert registry.get_sample_value("tandem_computed_tokens_total", {**MODEL, "kind": "prefill"}) == 6
    assert registry.get_sample_value("tandem_computed_tokens_total", {**MODEL, "kind": "decode"}) == 5
