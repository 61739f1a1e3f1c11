"""What the parallel backend exports besides the common metrics: queues, outcomes, runtimes and diversity."""

from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics import BackendMetrics, DiversityMetrics
from services.common.batching.batcher import Batcher
from services.common.batching.request import ENDS, End
from services.common.runtimes.metrics import RuntimeMetrics
from tandem.shared.metrics import SECONDS_BUCKETS

PARADIGM = "parallel"


class GanMetrics:
    """The metric families of one process. `network` is "generator" or "discriminator"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["model", "network"]
        gauge = partial(Gauge, registry=registry)
        self.backend = BackendMetrics(registry, PARADIGM)
        self.diversity = DiversityMetrics(registry)
        self.runtimes = RuntimeMetrics(registry)
        text = "Images whose requests ended, each once."
        self.images = Counter("tandem_images", text, [*labels, "outcome"], registry=registry)
        self.queued = gauge("tandem_images_queued", "Images that wait.", labels)
        self.open = gauge("tandem_batcher_requests", "Requests that wait or run.", labels)
        text = "Seconds of a pass."
        self.passes = Histogram("tandem_pass_seconds", text, labels, buckets=SECONDS_BUCKETS, registry=registry)


class BatcherMetrics:
    """What the batcher of one network of one model reports; implements `BatchObserver`."""

    def __init__(self, metrics: GanMetrics, model: str, network: str) -> None:
        self._metrics = metrics
        self._labels = (model, network)
        self._passes = metrics.passes.labels(*self._labels)
        self._images = {outcome: metrics.images.labels(*self._labels, outcome) for outcome in ENDS}

    def watch(self, batcher: Batcher[Any, Any]) -> None:
        """Let the gauges read the batcher's books."""
        self._metrics.queued.labels(*self._labels).set_function(lambda: batcher.num_queued)
        self._metrics.open.labels(*self._labels).set_function(lambda: batcher.num_open)

    def passed(self, batch_size: int, seconds: float) -> None:
        self._passes.observe(seconds)
        model, network = self._labels
        # The paradigms are compared by what they generate; judging is not generating.
        if network == "generator":
            self._metrics.backend.observe_batch(model, batch_size)

    def ended(self, outcome: End, num_samples: int) -> None:
        self._images[outcome].inc(num_samples)
