"""What clients ask for besides inference: which models there are, what each takes and gives, and what it has done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.admission import Entrance
from gateway.figures.model_statistics import Duration, ModelFigures, ModelStatistics
from gateway.protocols.catalogue import Catalogue
from gateway.protocols.oip.inference import find_model
from gateway.protocols.oip.models.adapter import Adapter
from gateway.protocols.oip.tensors import VERSION as MODEL_VERSION
from tandem.oip import grpc_service_pb2 as pb
from tandem.oip.model_config_pb2 import ModelConfig
from tandem.shared.errors import TandemError
from tandem.version import VERSION

EXTENSIONS = ("binary_tensor_data", "model_configuration", "parameters", "statistics")
"""Those of Triton's that are here: clients ask for statistics only where they are named."""
SERVER_METADATA = pb.ServerMetadataResponse(name="tandem", version=VERSION, extensions=EXTENSIONS)


class Information:
    """Methods of GRPCInferenceService: each takes its request and returns its reply. Raises NotFound, Unavailable."""

    def __init__(self, catalogue: Catalogue, figures: ModelStatistics, entrance: Entrance) -> None:
        self._catalogue = catalogue
        self._figures = figures
        self._entrance = entrance

    def methods(self) -> Mapping[str, Callable[[Any], Message]]:
        """Return the methods by name."""
        return {
            "ServerLive": lambda _: pb.ServerLiveResponse(live=True),
            "ServerReady": self.server_ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": lambda _: SERVER_METADATA,
            "ModelMetadata": self.model_metadata,
            "ModelConfig": self.model_config,
            "ModelStatistics": self.model_statistics,
            "RepositoryIndex": self.repository_index,
        }

    def server_ready(self, _: object) -> pb.ServerReadyResponse:
        """Return whether the gateway is ready, and not draining."""
        return pb.ServerReadyResponse(ready=self._catalogue.all_serve() and not self._entrance.is_draining)

    def model_ready(self, request: Any) -> pb.ModelReadyResponse:
        """Return whether a request for the model would be taken."""
        try:
            find_model(self._catalogue, request.name, request.version)
        except TandemError:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    def model_metadata(self, request: Any) -> pb.ModelMetadataResponse:
        """Return names, types and shapes of a model's tensors; with batches the first dimension is the batch."""
        model = find_model(self._catalogue, request.name, request.version)
        is_batched = model.max_batch_size > 0
        reply = pb.ModelMetadataResponse(name=model.name, versions=[MODEL_VERSION], platform=model.platform)
        for tensors, specs in ((reply.inputs, model.inputs), (reply.outputs, model.outputs)):
            for spec in specs:
                tensors.add(name=spec.name, datatype=spec.datatype.name, shape=spec.shape(is_batched))
        return reply

    def model_config(self, request: Any) -> pb.ModelConfigResponse:
        """Return a model's description in the form of Triton's config.pbtxt."""
        return pb.ModelConfigResponse(config=_config(find_model(self._catalogue, request.name, request.version)))

    def model_statistics(self, request: Any) -> pb.ModelStatisticsResponse:
        """Return counts and times of one model, or of all without a name."""
        served = [model.name for model in self._catalogue.models()]
        names = [find_model(self._catalogue, request.name, request.version).name] if request.name else served
        statistics = [_statistics(name, self._figures.of(name)) for name in names]
        return pb.ModelStatisticsResponse(model_stats=statistics)

    def repository_index(self, _: object) -> pb.RepositoryIndexResponse:
        """Return the models that are served, all of them ready."""
        index = pb.RepositoryIndexResponse()
        for model in self._catalogue.models():
            index.models.add(name=model.name, version=MODEL_VERSION, state="READY")
        return index


def _config(model: Adapter) -> ModelConfig:
    """Return tensors with what is optional, the largest batch, and whether a request may have several responses."""
    reply = ModelConfig(name=model.name, platform=model.platform, max_batch_size=model.max_batch_size)
    for spec in model.inputs:
        data_type = spec.datatype.config_type
        reply.input.add(name=spec.name, data_type=data_type, dims=spec.dims, optional=spec.is_optional)
    for spec in model.outputs:
        reply.output.add(name=spec.name, data_type=spec.datatype.config_type, dims=spec.dims)
    reply.model_transaction_policy.decoupled = model.is_decoupled
    reply.version_policy.latest.num_versions = 1
    return reply


def _statistics(name: str, figures: ModelFigures) -> pb.ModelStatistics:
    reply = pb.ModelStatistics(
        name=name,
        version=MODEL_VERSION,
        last_inference=int(figures.last_at * 1e3),
        inference_count=figures.num_inferences,
        execution_count=round(figures.passes),
        inference_stats=pb.InferStatistics(
            success=_duration(figures.success),
            fail=_duration(figures.fail),
            queue=_duration(figures.queue),
            # To read a request is part of the backend's queue: what is left is no time, as often as the others.
            compute_input=pb.StatisticDuration(count=round(figures.queue.count)),
            compute_infer=_duration(figures.compute),
            compute_output=_duration(figures.encode),
        ),
    )
    for size, duration in sorted(figures.passes_by_size.items()):
        nothing = pb.StatisticDuration(count=round(duration.count))
        infer = _duration(duration)
        reply.batch_stats.add(batch_size=size, compute_input=nothing, compute_infer=infer, compute_output=nothing)
    if figures.first_response.count:
        first = _duration(figures.first_response)
        reply.response_stats["0"].CopyFrom(pb.InferResponseStatistics(compute_infer=first, success=first))
    return reply


def _duration(duration: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=round(duration.count), ns=round(duration.seconds * 1e9))
