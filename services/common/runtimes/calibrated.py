"""From an ONNX file to running instances: read, rewritten where that is exact, calibrated once a machine, opened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.common.machine import Machine, fingerprint, is_idle, this_machine
from services.common.runtimes import onnx_session, openvino_session
from services.common.runtimes.calibration.agreement import MAX_RMS_DIFFERENCE, difference
from services.common.runtimes.calibration.calibrator import Calibrator
from services.common.runtimes.calibration.store import Calibration, CalibrationStore
from services.common.runtimes.configuration import Configuration, Wish
from services.common.runtimes.onnx_file import OnnxFile, read_onnx
from services.common.runtimes.onnx_session import open_session
from services.common.runtimes.opening import Forms, open_instances
from services.common.runtimes.providers import CPU
from services.common.runtimes.rewrites.every import rewritten
from services.common.runtimes.session import Feed, Session, rows

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
class Calibrated:
    """A model that is ready to run on this machine's CPU."""

    sessions: Sequence[Session]
    calibration: Calibration
    version: str
    """Of the runtime."""
    instruction_set: str
    fingerprint: str

    @property
    def configuration(self) -> Configuration:
        return self.calibration.configuration

    @property
    def num_spare(self) -> int:
        """How many of the sessions are more than compute at a time."""
        return len(self.sessions) - self.configuration.num_instances


def open_calibrated(
    path: Path,
    wish: Wish,
    probe_for: Callable[[Session], Feed],
    store: CalibrationStore,
    int8: Int8File | None = None,
) -> Calibrated:
    """Open a model with the fastest configuration of this machine. Raises ModelError, ProviderError.

    `probe_for` gets a session of the file as it is, and returns inputs to try it with, a full batch of them.
    """
    reference = open_session(path, [CPU], 1, "cpu")
    probe = probe_for(reference)
    machine, forms = this_machine(), _forms_of(read_onnx(path), reference, probe)
    if int8 is not None:
        in_int8 = _forms_of(read_onnx(int8.path), open_session(int8.path, [CPU], 1, "cpu"), probe)
        forms = replace(forms, int8=in_int8)
    int8_difference = 0.0 if int8 is None else int8.rms_difference
    calibration = _calibration(forms, wish, machine, probe, reference, store, int8_difference)
    configuration, trial = calibration.configuration, calibration.chosen_trial
    if trial is not None and trial.rejected:
        logger.warning("%s: runs with %s all the same, though %s", path, configuration.name, trial.rejected)
    return Calibrated(
        open_instances(forms, configuration, NUM_SPARE),
        calibration,
        VERSIONS[configuration.runtime](),
        machine.instruction_set,
        _fingerprint(forms.of(configuration), configuration, machine),
    )


def _calibration(
    forms: Forms,
    wish: Wish,
    machine: Machine,
    probe: Feed,
    reference: Session,
    store: CalibrationStore,
    int8_difference: float,
) -> Calibration:
    int8_digest = "" if forms.int8 is None else forms.int8.original.digest
    path, file = store.path(forms.original.digest, machine, wish, int8_digest), forms.original.path
    kept = store.load(path)
    if kept is not None and not forms.can_run(kept.configuration):
        kept = None
    if kept is not None and not (kept.disturbance and is_idle()):
        return kept
    logger.info("calibrating %s, once for this machine", file)
    output_name = reference.outputs[0].name
    made = Calibrator(forms, wish, machine.cores, probe, output_name, int8_difference).calibrate(reference)
    _report(file, made)
    if kept is not None and made.core_share <= kept.core_share:
        return kept
    store.save(path, made)
    if made.disturbance:
        logger.warning("%s: %s; a start on an idle machine calibrates again", file, made.disturbance)
    return made


def _report(path: Path, calibration: Calibration) -> None:
    logger.info("calibrated %s in %.1f s: %s", path, calibration.seconds, calibration.configuration.name)
    for trial in sorted(calibration.trials, key=lambda each: -each.score):
        speeds = ", ".join(f"{speed:.0f} at {size}" for size, speed in trial.samples_per_second.items())
        logger.info("  %s: %s", trial.configuration.name, trial.rejected or f"samples/s {speeds or 'not measured'}")


def _forms_of(file: OnnxFile, session: Session, probe: Feed) -> Forms:
    """Return a file with its faster form; `session` runs it as it is."""
    return Forms(file, _verified_rewrite(file, session, probe))


def _verified_rewrite(file: OnnxFile, reference: Session, probe: Feed) -> OnnxFile | None:
    """Return the file in its faster form, or None if there is none or it draws something else."""
    model = rewritten(file.model)
    if model is None:
        return None
    faster = OnnxFile(file.path, model, file.digest)
    session = open_session(file.path, [CPU], 1, "cpu", faster.content)
    some, name = rows(probe, 0, NUM_VERIFIED), reference.outputs[0].name
    (expected,), (got,) = reference.run(some, [name]), session.run(some, [name])
    found = difference(got, expected)
    if found.rms <= MAX_RMS_DIFFERENCE["float32"]:
        return faster
    logger.warning(
        "%s: rewritten, it draws something else (off by %.2g of its range), so it is not used", file.path, found.rms
    )
    return None


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
