"""What a process exports of what runs its networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

if TYPE_CHECKING:
    from services.common.runtimes.opened import OpenModel


class RuntimeMetrics:
    """The metric families of one process. `network` is the kind of an ONNX network, such as "generator"."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "1 for each execution provider that a session really has; place 0 is the first choice."
        names = ["model", "network", "provider", "place"]
        self._provider = Gauge("tandem_execution_provider_info", text, names, registry=registry)
        text = "1 for what runs the network that draws the images; a generator's fingerprint is that of its images."
        names = ["model", "runtime", "version", "precision", "instruction_set", "fingerprint"]
        self._runtime = Gauge("tandem_runtime_info", text, names, registry=registry)
        text = "Images a second of all instances together when the runtime was chosen, by batch size."
        names = ["model", "batch_size"]
        self._calibrated = Gauge("tandem_calibrated_images_per_second", text, names, registry=registry)
        text = "Seconds that choosing the runtime took, at this start or an earlier one."
        self._calibration = Gauge("tandem_calibration_seconds", text, ["model"], registry=registry)

    def report_opened(self, model: str, network: str, opened: OpenModel) -> None:
        """Say what runs the network that draws a model's images, and how fast it was found to be."""
        self.report_providers(model, network, opened.sessions[0].providers)
        configuration = opened.configuration
        labels = (configuration.runtime, opened.version, configuration.precision, opened.instruction_set)
        self._runtime.labels(model, *labels, opened.fingerprint).set(1)
        if opened.calibration is not None:
            self._calibration.labels(model).set(opened.calibration.seconds)
        if opened.trial is not None:
            for size, speed in opened.trial.samples_per_second.items():
                self._calibrated.labels(model, str(size)).set(speed)

    def report_providers(self, model: str, network: str, providers: list[str]) -> None:
        for place, provider in enumerate(providers):
            self._provider.labels(model, network, provider, str(place)).set(1)
