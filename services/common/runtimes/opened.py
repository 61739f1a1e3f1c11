"""From an ONNX file to running instances: on the CPU rewritten where that is exact, and calibrated once a machine; on a
GPU by ONNX Runtime as the file is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.cores import usable_cores
from services.common.machine import Machine, fingerprint, is_idle, this_machine
from services.common.runtimes import onnx_session, openvino_session
from services.common.runtimes.calibration_store import CalibrationStore
from services.common.runtimes.calibrator import MAX_RMS_DIFFERENCE, Calibrator, difference
from services.common.runtimes.configuration import Calibration, Configuration, ProviderChoice, Trial, Wish
from services.common.runtimes.onnx_file import OnnxFile, read_onnx, rewrite
from services.common.runtimes.onnx_session import CPU, choose_providers, open_session
from services.common.runtimes.openvino_session import sizes_up_to
from services.common.runtimes.session import Feed, Session, rows
from services.common.runtimes.ways import Forms
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.recipe import COMPILING, hold_lock
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelError

logger = logging.getLogger(__name__)

NUM_VERIFIED = 4
"""Samples that the rewritten graph must draw as the original one does, at each start."""

NUM_SPARE = 1
"""Instances that get a pass ready while the others compute, where the runtime can have such."""

VERSIONS = {"onnxruntime": onnx_session.version, "openvino": openvino_session.version}


@dataclass(frozen=True)
class Int8File:
    """The file of a model in int8."""

    path: Path
    rms_difference: float
    """How far its outputs lay from the original's where it was made, as a share of their range."""


@dataclass(frozen=True)
class OpenModel:
    """A model that is ready to run, and what is to be said of it."""

    sessions: Sequence[Session]
    configuration: Configuration
    fingerprint: str
    """Same inputs and same fingerprint: same outputs, to the last bit."""
    calibration: Calibration | None = None
    """None on a GPU, where nothing is calibrated."""
    instruction_set: str = ""
    """Of the processor; empty on a GPU."""

    @property
    def version(self) -> str:
        """Of the runtime."""
        return VERSIONS[self.configuration.runtime]()

    @property
    def num_spare(self) -> int:
        """How many of the sessions are more than compute at a time."""
        return len(self.sessions) - self.configuration.num_instances

    @property
    def trial(self) -> Trial | None:
        """What the calibration found of the configuration that was chosen."""
        return None if self.calibration is None else self.calibration.chosen_trial


Probe = Callable[[Session, int], Feed]
"""Returns so many inputs to try a model with, whose file a session runs. Raises ModelError if it is not as expected."""


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let a ModelError that is raised name the file."""
    try:
        yield
    except ModelError as error:
        raise ModelError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def open_model(
    path: Path, choice: ProviderChoice, wish: Wish, probe: Probe, int8: Int8File | None = None, spare: int = NUM_SPARE
) -> OpenModel:
    """Open a model on a GPU where there is one and `choice` and the wish allow it, else on the CPU as is fastest.

    Raises ModelError, which names the file, or ProviderError.
    """
    may_run_on_gpu = wish.runtime != "openvino" and wish.precision in ("auto", "float32")
    with naming(path):
        if may_run_on_gpu and choose_providers(choice)[0] != CPU:
            opened = _open_on_gpu(path, choice, wish)
            probe(opened.sessions[0], 1)
            return opened
        store = CalibrationStore(cache_folder() / "calibrations")
        return open_calibrated(path, wish, probe, store, int8, spare)


def _open_on_gpu(path: Path, choice: ProviderChoice, wish: Wish) -> OpenModel:
    """Open a model with ONNX Runtime's providers, where the wish leaves it open in as many instances as is best."""
    threads = wish.threads_per_instance or 1
    first = open_session(path, choice, threads)
    # On the CPU an instance a core, each with a thread, is faster than one with all threads.
    count = wish.num_instances or (usable_cores() if first.providers == [CPU[0]] else 1)
    sessions = [first, *(open_session(path, choice, threads) for _ in range(count - 1))]
    configuration = Configuration(
        runtime="onnxruntime",
        precision="float32",
        is_rewritten=False,
        num_instances=count,
        threads_per_instance=threads,
    )
    causes = {"model": sha256_of(path), "version": onnx_session.version(), "providers": first.providers}
    return OpenModel(sessions, configuration, fingerprint(configuration.runtime, configuration.precision, causes))


def open_calibrated(
    path: Path, wish: Wish, probe: Probe, store: CalibrationStore, int8: Int8File | None = None, spare: int = NUM_SPARE
) -> OpenModel:
    """Open a model with the fastest configuration of this machine's CPU. Raises ModelError, ProviderError."""
    reference, machine = open_session(path), this_machine()
    inputs = probe(reference, sizes_up_to(wish.max_batch_size)[-1])
    forms = Forms(_read_form(path, reference, inputs))
    if int8 is not None:
        forms = Forms(forms.exact, _read_form(int8.path, open_session(int8.path), inputs))
    int8_difference = 0.0 if int8 is None else int8.rms_difference
    calibrator = Calibrator(forms, wish, machine.cores, inputs, reference, int8_difference)
    with hold_lock(cache_folder() / "kernels" / COMPILING):  # the other service's compiler would disturb it
        calibration = _calibrate_once(forms, wish, machine, calibrator, store)
    configuration, trial = calibration.configuration, calibration.chosen_trial
    if trial is not None and trial.rejected:
        logger.warning("%s: runs with %s all the same, though %s", path, configuration.name, trial.rejected)
    name = _fingerprint(forms.of(configuration.precision), configuration, machine)
    sessions = forms.open(configuration, spare)
    return OpenModel(sessions, configuration, name, calibration, machine.instruction_set)


def _calibrate_once(
    forms: Forms, wish: Wish, machine: Machine, calibrator: Calibrator, store: CalibrationStore
) -> Calibration:
    """Return what is kept of an earlier start; a new one if there is none, or a better one can be made now."""
    file = forms.exact.path
    path = store.path(forms.exact.digest, machine, wish, "" if forms.int8 is None else forms.int8.digest)
    kept = store.load(path)
    if kept is not None and forms.of(kept.configuration.precision).is_rewritten != kept.configuration.is_rewritten:
        kept = None
    if kept is not None and not (kept.disturbance and is_idle()):
        return kept
    logger.info("calibrating %s, once for this machine", file)
    made = calibrator.calibrate()
    logger.info("calibrated %s in %.1f s: %s", file, made.seconds, made.configuration.name)
    for trial in sorted(made.trials, key=lambda trial: -trial.score):
        speeds = ", ".join(f"{speed:.0f} at {size}" for size, speed in trial.samples_per_second.items())
        logger.info("  %s: %s", trial.configuration.name, trial.rejected or f"samples/s {speeds or 'not measured'}")
    if kept is not None and made.core_share <= kept.core_share:
        return kept
    store.save(path, made)
    if made.disturbance:
        logger.warning("%s: %s; a start on an idle machine calibrates again", file, made.disturbance)
    return made


def _read_form(path: Path, reference: Session, probe: Feed) -> OnnxFile:
    """Return a file in its faster form; as it is, as `reference` runs it, if there is none or it draws otherwise."""
    file = read_onnx(path)
    model = rewrite(file.model)
    if model is None:
        return file
    faster = OnnxFile(file.path, model, file.digest, is_rewritten=True)
    session = open_session(path, content=faster.content)
    some, name = rows(probe, 0, NUM_VERIFIED), reference.outputs[0].name
    (expected,), (got,) = reference.run(some, [name]), session.run(some, [name])
    rms = difference(got, expected)
    if rms <= MAX_RMS_DIFFERENCE["float32"]:
        return faster
    logger.warning("%s: rewritten, it draws something else (off by %.2g of its range), so it is not used", path, rms)
    return file


def _fingerprint(file: OnnxFile, configuration: Configuration, machine: Machine) -> str:
    """Return the name of all that the outputs' bits depend on, and nothing else: not cores, batches or instances."""
    causes = {
        "model": file.digest,
        "is_rewritten": configuration.is_rewritten,
        "threads": configuration.threads_per_instance,
        "version": VERSIONS[configuration.runtime](),
        "numpy": dict(machine.libraries).get("numpy"),
        "processor": machine.processor,
        "instructions": machine.instructions,
    }
    return fingerprint(configuration.runtime, configuration.precision, causes)
