"""What ListModels says of a model and of what computes it. Knows nothing of requests."""

from collections.abc import Callable
from math import prod
from pathlib import Path

from services.ar.api.modalities.modality import Modality
from services.ar.compute.computation import Computation
from services.ar.fingerprint import model_fingerprint
from services.ar.model.config import ModelConfig
from services.ar.model.tensor_check import expected_shapes
from tandem.ar.v1 import ar_pb2
from tandem.shared.models import Model


def model_message(
    model: Model,
    modality: Modality,
    config: ModelConfig,
    computation: Computation,
    num_threads: int,
    hash_of: Callable[[Path], str],
) -> ar_pb2.Model:
    """Return the entry of a loaded model; `num_threads` are those of its arithmetic."""
    max_context_tokens = modality.codec.max_context_tokens
    description = ar_pb2.Model(
        name=model.name,
        modality=model.spec.modality,
        licence=model.spec.licence,
        num_parameters=sum(map(prod, expected_shapes(config).values())),
        max_context_tokens=max_context_tokens,
        vocab_size=config.vocab_size,
        device=computation.device,
        dtype=computation.dtype,
        runtime=computation.kernel,
        num_instances=1,
        threads_per_instance=num_threads,
        fingerprint=model_fingerprint(model, config, max_context_tokens, computation, hash_of),
    )
    if model.spec.sampling is not None:
        description.default_sampling.CopyFrom(
            ar_pb2.SamplingParams(**model.spec.sampling.model_dump(exclude_none=True))
        )
    modality.describe(description)
    return description
