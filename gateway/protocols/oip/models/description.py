"""What clients read of a model before they call it: metadata and configuration, as Triton writes them."""

from __future__ import annotations

from gateway.protocols.oip.models.adapter import Adapter
from gateway.protocols.oip.tensors.outputs import VERSION
from tandem.oip.grpc_service_pb2 import ModelMetadataResponse
from tandem.oip.model_config_pb2 import ModelConfig


def metadata(model: Adapter) -> ModelMetadataResponse:
    """Return names, types and shapes; with batches the first dimension is the batch."""
    is_batched = model.max_batch_size > 0
    reply = ModelMetadataResponse(name=model.name, versions=[VERSION], platform=model.platform)
    for tensors, specs in ((reply.inputs, model.inputs), (reply.outputs, model.outputs)):
        for spec in specs:
            tensors.add(name=spec.name, datatype=spec.datatype.name, shape=spec.shape(is_batched))
    return reply


def config(model: Adapter) -> ModelConfig:
    """Return the same with what is optional, the largest batch, and whether a request may have several responses."""
    reply = ModelConfig(name=model.name, platform=model.platform, max_batch_size=model.max_batch_size)
    for spec in model.inputs:
        data_type = spec.datatype.config_type
        reply.input.add(name=spec.name, data_type=data_type, dims=spec.dims, optional=spec.is_optional)
    for spec in model.outputs:
        reply.output.add(name=spec.name, data_type=spec.datatype.config_type, dims=spec.dims)
    reply.model_transaction_policy.decoupled = model.is_decoupled
    reply.version_policy.latest.num_versions = 1
    return reply
