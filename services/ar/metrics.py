"""What the sequential backend exports besides the common metrics: the engine's state and outcomes, and diversity."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics import BackendMetrics, DiversityMetrics
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import Drafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.step import Work
from services.common.batching.request import ENDS, End
from services.common.runtimes.metrics import RuntimeMetrics
from tandem.shared.metrics import SECONDS_BUCKETS

PARADIGM = "sequential"
GROUP_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)

M = TypeVar("M", Counter, Gauge, Histogram)


class ArMetrics:
    """The metric families of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def metric(kind: type[M], name: str, text: str, *labels: str, **options: Any) -> M:
            return kind(name, text, ["model", *labels], registry=registry, **options)

        seconds = partial(metric, Histogram, buckets=SECONDS_BUCKETS)
        self.backend = BackendMetrics(registry, PARADIGM)
        self.diversity = DiversityMetrics(registry)
        self.runtimes = RuntimeMetrics(registry)
        self.sequences = metric(Counter, "tandem_sequences", "Sequences that ended, each exactly once.", "outcome")
        self.waiting = metric(Gauge, "tandem_sequences_waiting", "Sequences in the queue.")
        self.running = metric(Gauge, "tandem_sequences_running", "Sequences in the batch.")
        self.used_blocks = metric(Gauge, "tandem_kv_blocks_used", "KV cache blocks in use.")
        self.blocks = metric(Gauge, "tandem_kv_blocks", "KV cache blocks there are.")
        self.cache_usage = metric(
            Gauge, "tandem_kv_cache_usage_ratio", "KV cache blocks in use, of those there are, 0 to 1."
        )
        self.preemptions = metric(Counter, "tandem_preemptions", "Sequences sent back for want of KV blocks.")
        text = (
            "Tokens that went through the model: drawn, with drafts and MASK rows (decode), or known before (prefill)."
        )
        self.computed_tokens = metric(Counter, "tandem_computed_tokens", text, "kind")
        text = "Tokens of prompts that were taken into the batch."
        self.prompt_tokens = metric(Counter, "tandem_prompt_tokens", text)
        text = "Tokens of prompts, of the above, that another sequence had computed before."
        self.cached_tokens = metric(Counter, "tandem_prompt_cached_tokens", text)
        self.drafted_tokens = metric(Counter, "tandem_drafted_tokens", "Tokens that sequences tried ahead of time.")
        text = "Tokens, of the above, that proved to be the ones generated."
        self.accepted_tokens = metric(Counter, "tandem_drafted_accepted_tokens", text)
        text = "Tokens that a step generates or scores of one sequence, in models that take several at once."
        self.group_tokens = metric(Histogram, "tandem_step_group_tokens", text, buckets=GROUP_BUCKETS)
        self.steps = seconds("tandem_step_seconds", "Seconds of a step.")
        text = "Images that the token decoder or encoder was asked for, half drawn ones included."
        self.images = metric(Counter, "tandem_codec_images", text, "network", "outcome")
        text = "Constraints of outputs that were to be compiled; those that proved to be none are among the finished."
        self.constraints = metric(Counter, "tandem_constraints", text, "outcome")
        text = "Seconds of compiling a constraint, waiting left out."
        self.compilations = seconds("tandem_constraint_compile_seconds", text)


class EngineMetrics:
    """What the engine of one model reports; implements `engine.EngineObserver`."""

    def __init__(
        self,
        metrics: ArMetrics,
        model: str,
        scheduler: Scheduler,
        pool: BlockPool,
        prefix_cache: PrefixCache | None = None,
        drafter: Drafter | None = None,
    ) -> None:
        self._metrics = metrics
        self._model = model
        metrics.blocks.labels(model).set(pool.num_blocks)
        metrics.used_blocks.labels(model).set_function(lambda: pool.num_taken)
        metrics.cache_usage.labels(model).set_function(lambda: pool.num_taken / pool.num_blocks)
        metrics.waiting.labels(model).set_function(lambda: scheduler.num_waiting)
        metrics.running.labels(model).set_function(lambda: scheduler.num_running)
        # Counters begin at 0: one that appears with its first event hides that event from a rate. They are looked up
        # once, since a step of a small model takes no longer than some look-ups.
        self._steps = metrics.steps.labels(model)
        self._decode_tokens = metrics.computed_tokens.labels(model, "decode")
        self._prefill_tokens = metrics.computed_tokens.labels(model, "prefill")
        self._group_tokens_of = cache(metrics.group_tokens.labels)
        self._totals = [_Total(metrics.preemptions.labels(model), lambda: scheduler.num_preemptions)]
        drafted, accepted = metrics.drafted_tokens.labels(model), metrics.accepted_tokens.labels(model)
        if drafter is not None:
            self._totals.append(_Total(drafted, lambda: drafter.num_drafted_tokens))
            self._totals.append(_Total(accepted, lambda: drafter.num_accepted_tokens))
        if prefix_cache is not None:
            self._totals.append(_Total(metrics.prompt_tokens.labels(model), lambda: prefix_cache.num_prompt_tokens))
            self._totals.append(_Total(metrics.cached_tokens.labels(model), lambda: prefix_cache.num_cached_tokens))
        for outcome in ENDS:
            metrics.sequences.labels(model, outcome)

    def stepped(self, batch: list[Work], seconds: float) -> None:
        self._metrics.backend.observe_batch(self._model, len(batch))
        self._steps.observe(seconds)
        num_decodes = sum(work.num_tokens for work in batch if work.num_given == 1 or work.num_masked)
        self._decode_tokens.inc(num_decodes)
        if num_prefills := sum(work.num_tokens for work in batch) - num_decodes:
            self._prefill_tokens.inc(num_prefills)
        for work in batch:
            if work.sequence.groups is not None:
                self._group_tokens_of(self._model).observe(work.num_masked)
        for total in self._totals:
            total.follow()

    def ended(self, outcome: Literal["finished", "cancelled", "failed"]) -> None:
        self._metrics.sequences.labels(self._model, outcome).inc()


class _Total:
    """A counter of what the engine counts itself."""

    def __init__(self, counter: Counter, count: Callable[[], int]) -> None:
        self._counter = counter
        self._count = count
        self._last = 0

    def follow(self) -> None:
        if (count := self._count()) != self._last:
            self._counter.inc(count - self._last)
            self._last = count


class WorkMetrics:
    """What a batcher beside the engine reports; implements `observer.BatchObserver`.

    `counter` has the label "outcome" behind those given; `seconds`, if given, those of the passes.
    """

    def __init__(self, counter: Counter, labels: tuple[str, ...], seconds: Histogram | None = None) -> None:
        self._ended = {outcome: counter.labels(*labels, outcome) for outcome in ENDS}
        self._seconds = seconds

    def passed(self, batch_size: int, seconds: float) -> None:
        if self._seconds is not None:
            self._seconds.observe(seconds)

    def ended(self, outcome: End, num_samples: int) -> None:
        self._ended[outcome].inc(num_samples)
