"""What the sequential backend exports besides the common metrics: the engine's state and outcomes, and diversity."""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics import BackendMetrics, DiversityMetrics
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import Drafter
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.step import Work
from services.common.batching.observer import ENDS, End
from tandem.shared.metrics import SECONDS_BUCKETS

PARADIGM = "sequential"
GROUP_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)


class TokenMetrics:
    """The metric families that count tokens."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.computed = Counter(
            "tandem_computed_tokens",
            "Tokens that went through the model: of outputs, with drafts and MASK rows (decode), or of prompts.",
            ["model", "kind"],
            registry=registry,
        )
        self.of_prompts = Counter(
            "tandem_prompt_tokens", "Tokens of prompts that were taken into the batch.", ["model"], registry=registry
        )
        self.cached = Counter(
            "tandem_prompt_cached_tokens",
            "Tokens of prompts, of the above, that another sequence had computed before.",
            ["model"],
            registry=registry,
        )
        self.drafted = Counter(
            "tandem_drafted_tokens", "Tokens that sequences tried ahead of time.", ["model"], registry=registry
        )
        self.accepted = Counter(
            "tandem_drafted_accepted_tokens",
            "Tokens, of the above, that proved to be the ones generated.",
            ["model"],
            registry=registry,
        )
        self.of_groups = Histogram(
            "tandem_step_group_tokens",
            "Tokens that a step generates or scores of one sequence, in models that take several at once.",
            ["model"],
            buckets=GROUP_BUCKETS,
            registry=registry,
        )


class ArMetrics:
    """The metric families of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.backend = BackendMetrics(registry, PARADIGM)
        self.diversity = DiversityMetrics(registry)
        self.sequences = Counter(
            "tandem_sequences", "Sequences that ended, each exactly once.", ["model", "outcome"], registry=registry
        )
        self.waiting = Gauge("tandem_sequences_waiting", "Sequences in the queue.", ["model"], registry=registry)
        self.running = Gauge("tandem_sequences_running", "Sequences in the batch.", ["model"], registry=registry)
        self.used_blocks = Gauge("tandem_kv_blocks_used", "KV cache blocks in use.", ["model"], registry=registry)
        self.blocks = Gauge("tandem_kv_blocks", "KV cache blocks there are.", ["model"], registry=registry)
        self.preemptions = Counter(
            "tandem_preemptions", "Sequences sent back for want of KV blocks.", ["model"], registry=registry
        )
        self.tokens = TokenMetrics(registry)
        self.steps = Histogram(
            "tandem_step_seconds", "Seconds of a step.", ["model"], buckets=SECONDS_BUCKETS, registry=registry
        )
        self.images = Counter(
            "tandem_codec_images",
            "Images that the token decoder or encoder was asked for, half drawn ones included.",
            ["model", "network", "outcome"],
            registry=registry,
        )
        self.constraints = Counter(
            "tandem_constraints",
            "Constraints of outputs that were to be compiled; those that proved to be none are among the finished.",
            ["model", "outcome"],
            registry=registry,
        )
        self.compilations = Histogram(
            "tandem_constraint_compile_seconds",
            "Seconds of compiling a constraint, waiting left out.",
            ["model"],
            buckets=SECONDS_BUCKETS,
            registry=registry,
        )
        self.provider = Gauge(
            "tandem_execution_provider_info",
            "1 for each execution provider that a session really has; place 0 is the first choice.",
            ["model", "network", "provider", "place"],
            registry=registry,
        )


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
        self._num_preemptions = 0
        self._prefix_cache = prefix_cache
        self._num_prompt_tokens = self._num_cached_tokens = 0
        self._drafter = drafter
        self._num_drafted_tokens = self._num_accepted_tokens = 0
        metrics.blocks.labels(model).set(pool.num_blocks)
        metrics.used_blocks.labels(model).set_function(lambda: pool.num_taken)
        metrics.waiting.labels(model).set_function(lambda: scheduler.num_waiting)
        metrics.running.labels(model).set_function(lambda: scheduler.num_running)
        # Counters begin at 0: one that appears with its first event hides that event from a rate. They are looked up
        # once, since a step of a small model takes no longer than some look-ups.
        self._steps = metrics.steps.labels(model)
        self._decode_tokens = metrics.tokens.computed.labels(model, "decode")
        self._prefill_tokens = metrics.tokens.computed.labels(model, "prefill")
        self._preemptions = metrics.preemptions.labels(model)
        self._drafted_tokens = metrics.tokens.drafted.labels(model)
        self._accepted_tokens = metrics.tokens.accepted.labels(model)
        if prefix_cache is not None:
            self._prompt_tokens = metrics.tokens.of_prompts.labels(model)
            self._cached_tokens = metrics.tokens.cached.labels(model)
        for outcome in ENDS:
            metrics.sequences.labels(model, outcome)

    def stepped(self, scheduler: Scheduler, batch: list[Work], seconds: float) -> None:
        self._metrics.backend.observe_batch(self._model, len(batch))
        self._steps.observe(seconds)
        num_decodes = sum(work.num_tokens for work in batch if work.is_decode or work.num_masked)
        self._decode_tokens.inc(num_decodes)
        if num_prefills := sum(work.num_tokens for work in batch) - num_decodes:
            self._prefill_tokens.inc(num_prefills)
        for work in batch:
            if work.sequence.groups is not None:
                self._metrics.tokens.of_groups.labels(self._model).observe(work.num_masked)
        if num_preemptions := scheduler.num_preemptions - self._num_preemptions:
            self._preemptions.inc(num_preemptions)
            self._num_preemptions = scheduler.num_preemptions
        if self._prefix_cache is not None:
            self._count_prompts(self._prefix_cache)
        if self._drafter is not None:
            self._count_drafts(self._drafter)

    def _count_prompts(self, cache: PrefixCache) -> None:
        if cache.num_prompt_tokens == self._num_prompt_tokens:
            return
        self._prompt_tokens.inc(cache.num_prompt_tokens - self._num_prompt_tokens)
        self._cached_tokens.inc(cache.num_cached_tokens - self._num_cached_tokens)
        self._num_prompt_tokens, self._num_cached_tokens = cache.num_prompt_tokens, cache.num_cached_tokens

    def _count_drafts(self, drafter: Drafter) -> None:
        if drafter.num_drafted_tokens == self._num_drafted_tokens:
            return
        self._drafted_tokens.inc(drafter.num_drafted_tokens - self._num_drafted_tokens)
        self._accepted_tokens.inc(drafter.num_accepted_tokens - self._num_accepted_tokens)
        self._num_drafted_tokens, self._num_accepted_tokens = drafter.num_drafted_tokens, drafter.num_accepted_tokens

    def ended(self, outcome: Literal["finished", "cancelled", "failed"]) -> None:
        self._metrics.sequences.labels(self._model, outcome).inc()


class ConstraintMetrics:
    """What the batcher that compiles a model's constraints reports; implements `observer.BatchObserver`."""

    def __init__(self, metrics: ArMetrics, model: str) -> None:
        self._metrics = metrics
        self._model = model
        metrics.compilations.labels(model)
        for outcome in ENDS:
            metrics.constraints.labels(model, outcome)

    def passed(self, batch_size: int, seconds: float) -> None:
        self._metrics.compilations.labels(self._model).observe(seconds)

    def ended(self, outcome: End, num_samples: int) -> None:
        self._metrics.constraints.labels(self._model, outcome).inc(num_samples)


class NetworkMetrics:
    """What the batcher of a token decoder or encoder reports; implements `observer.BatchObserver`."""

    def __init__(self, metrics: ArMetrics, model: str, network: str, providers: list[str]) -> None:
        self._images = metrics.images
        self._labels = (model, network)
        for place, provider in enumerate(providers):
            metrics.provider.labels(model, network, provider, str(place)).set(1)
        for outcome in ENDS:
            metrics.images.labels(*self._labels, outcome)

    def passed(self, batch_size: int, seconds: float) -> None:
        """Batches and their times are the transformer's: it generates."""

    def ended(self, outcome: End, num_samples: int) -> None:
        self._images.labels(*self._labels, outcome).inc(num_samples)
