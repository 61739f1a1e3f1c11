"""The instances of a generator: on the CPU as calibrated, on a GPU by ONNX Runtime; and what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.common.machine import fingerprint
from services.common.runtimes import onnx_session
from services.common.runtimes.calibrated import Calibrated, Int8File, open_calibrated
from services.common.runtimes.calibration.store import CalibrationStore, Trial
from services.common.runtimes.configuration import Configuration, Wish
from services.common.runtimes.onnx_session import choose_providers, default_num_instances, open_session
from services.common.runtimes.openvino_session import sizes_up_to
from services.common.runtimes.providers import CPU
from services.common.runtimes.session import Feed, Session
from services.gan.generator import Generator, Latents
from services.gan.latents import draw_labels, draw_latents
from services.gan.settings import GanSettings
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.lock import COMPILING, hold_lock
from tandem.shared.file_hashes import sha256_of
from tandem.shared.model_spec import ImageSpec
from tandem.shared.models import Model, ModelError

# More images a pass cost a CPU about as much an image; and a burst of replies leaves cores without work.
_PREFERRED_ON_CPU = 16


@dataclass(frozen=True)
class GeneratorInstances:
    """All instances of one generator."""

    instances: Sequence[Generator]
    configuration: Configuration
    version: str
    """Of the runtime."""
    instruction_set: str
    """Of the processor; empty on a GPU."""
    fingerprint: str
    """Same latents and same fingerprint: same images, to the last bit."""
    calibrated: Calibrated | None
    """None on a GPU, where nothing is calibrated."""

    @property
    def num_spare(self) -> int:
        """How many of the instances are more than compute at a time."""
        return 0 if self.calibrated is None else self.calibrated.num_spare

    @property
    def preferred_batch_size(self) -> int | None:
        """How many images of several requests are worth a pass, so that others compute while they are answered.

        None on a GPU, where an image costs the less the more of them there are in a pass.
        """
        return None if self.calibrated is None else _PREFERRED_ON_CPU

    @property
    def trial(self) -> Trial | None:
        """What the calibration found of the configuration that was chosen."""
        return None if self.calibrated is None else self.calibrated.calibration.chosen_trial


def open_instances(model: Model, spec: ImageSpec, settings: GanSettings) -> GeneratorInstances:
    """Open a model's generator, which draws `spec`. Raises ModelError, which names the file, or ProviderError."""
    if model.spec.generator is None:
        raise ModelError(f"{model.name}: has no generator")
    path = model.path(model.spec.generator)
    try:
        if _may_run_on_gpu(settings) and choose_providers(settings.provider)[0] != CPU:
            return _on_gpu(path, spec, settings)
        return _on_cpu(path, _int8_file(model), spec, settings)
    except ModelError as error:
        raise ModelError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def _may_run_on_gpu(settings: GanSettings) -> bool:
    return settings.provider != "cpu" and settings.runtime != "openvino" and settings.precision in ("auto", "float32")


def _int8_file(model: Model) -> Int8File | None:
    int8 = model.spec.int8
    return None if int8 is None else Int8File(model.path(int8.generator), int8.rms_difference)


def _on_cpu(path: Path, int8: Int8File | None, spec: ImageSpec, settings: GanSettings) -> GeneratorInstances:
    wish = Wish(
        runtime=settings.runtime,
        precision=settings.precision,
        num_instances=settings.num_instances,
        threads_per_instance=settings.threads_per_instance,
        max_batch_size=settings.max_batch_size,
    )
    count = sizes_up_to(settings.max_batch_size)[-1]

    def probe_for(session: Session) -> Feed:
        return Generator(session, spec).feed(probe(spec, count))

    store = CalibrationStore(cache_folder() / "calibrations")
    with hold_lock(cache_folder() / "kernels" / COMPILING):  # the other service's compiler would disturb a calibration
        found = open_calibrated(path, wish, probe_for, store, int8)
    return GeneratorInstances(
        [Generator(each, spec) for each in found.sessions],
        found.configuration,
        found.version,
        found.instruction_set,
        found.fingerprint,
        found,
    )


def _on_gpu(path: Path, spec: ImageSpec, settings: GanSettings) -> GeneratorInstances:
    providers, threads = choose_providers(settings.provider), settings.threads_per_instance or 1
    first = open_session(path, providers, threads, settings.provider)
    count = settings.num_instances or default_num_instances(first.providers)
    sessions = [first, *(open_session(path, providers, threads, settings.provider) for _ in range(count - 1))]
    configuration = Configuration(
        runtime="onnxruntime",
        precision="float32",
        is_rewritten=False,
        num_instances=count,
        threads_per_instance=threads,
    )
    causes = {"model": sha256_of(path), "version": onnx_session.version(), "providers": first.providers}
    name = fingerprint(configuration.runtime, configuration.precision, causes)
    return GeneratorInstances(
        [Generator(each, spec) for each in sessions], configuration, onnx_session.version(), "", name, None
    )


def probe(spec: ImageSpec, count: int) -> Latents:
    """Return latents (and classes) such as requests have, to try a generator with."""
    labels = draw_labels(0, 0, count, len(spec.class_names)) if spec.class_names else None
    return Latents(draw_latents(0, 0, count, spec.latent_dim), labels)
