"""The gateway's figures in the form of ModelStatistics."""

from __future__ import annotations

from gateway.figures.model_statistics import Duration, ModelFigures, ModelStatistics
from gateway.protocols.oip.models.repository import Repository
from gateway.protocols.oip.tensors.outputs import VERSION
from tandem.oip import grpc_service_pb2 as pb


class Statistics:
    """Reports the figures of models that are served now."""

    def __init__(self, repository: Repository, figures: ModelStatistics) -> None:
        self._repository = repository
        self._figures = figures

    def report(self, name: str = "", version: str = "") -> pb.ModelStatisticsResponse:
        """Return the statistics of one model, or of all without a name. Raises NotFound, Unavailable."""
        models = [self._repository.find(name, version)] if name else self._repository.models()
        statistics = [_statistics(model.name, self._figures.of(model.name)) for model in models]
        return pb.ModelStatisticsResponse(model_stats=statistics)


def _statistics(name: str, figures: ModelFigures) -> pb.ModelStatistics:
    reply = pb.ModelStatistics(
        name=name,
        version=VERSION,
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
