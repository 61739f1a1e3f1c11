"""What the parallel backend exports besides the common metrics: queues, outcomes, execution providers and diversity."""

from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics import BackendMetrics, DiversityMetrics
from services.common.batching.batcher import Batcher
from services.common.batching.request import ENDS, End
from services.common.runtimes.opened import OpenModel
from tandem.shared.metrics import SECONDS_BUCKETS

PARADIGM = "parallel"


class GanMetrics:
    """The metric families of one process. `network` is "generator" or "discriminator"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["model", "network"]
        gauge = partial(Gauge, registry=registry)
        self.backend = BackendMetrics(registry, PARADIGM)
        self.diversity = DiversityMetrics(registry)
        text = "Images whose requests ended, each once."
        self.images = Counter("tandem_images", text, [*labels, "outcome"], registry=registry)
        self.queued = gauge("tandem_images_queued", "Images that wait.", labels)
        self.open = gauge("tandem_batcher_requests", "Requests that wait or run.", labels)
        text = "Seconds of a pass."
        self.passes = Histogram("tandem_pass_seconds", text, labels, buckets=SECONDS_BUCKETS, registry=registry)
        text = "1 for each execution provider that a session really has; place 0 is the first choice."
        self.provider = gauge("tandem_execution_provider_info", text, [*labels, "provider", "place"])
        text = "1 for what runs the generator; the fingerprint is that of its images."
        names = ["model", "runtime", "version", "precision", "instruction_set", "fingerprint"]
        self.runtime = gauge("tandem_runtime_info", text, names)
        text = "Images a second of all instances together when the runtime was chosen, by batch size."
        self.calibrated = gauge("tandem_calibrated_images_per_second", text, ["model", "batch_size"])
        text = "Seconds that choosing the runtime took, at this start or an earlier one."
        self.calibration = gauge("tandem_calibration_seconds", text, ["model"])

    def report_runtime(self, model: str, opened: OpenModel) -> None:
        """Say what runs a model's generator, and how fast it was found to be."""
        configuration = opened.configuration
        labels = (configuration.runtime, opened.version, configuration.precision, opened.instruction_set)
        self.runtime.labels(model, *labels, opened.fingerprint).set(1)
        if opened.calibration is not None:
            self.calibration.labels(model).set(opened.calibration.seconds)
        if opened.trial is not None:
            for size, speed in opened.trial.samples_per_second.items():
                self.calibrated.labels(model, str(size)).set(speed)

    def report_providers(self, model: str, network: str, providers: list[str]) -> None:
        for place, provider in enumerate(providers):
            self.provider.labels(model, network, provider, str(place)).set(1)


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
