"""The gateway's figures in the protocol's messages: whole numbers, in nanoseconds, by model and by batch size."""

from __future__ import annotations

from typing import Any

from gateway.figures.model_statistics import ModelStatistics
from gateway.protocols.oip.information import Information
from gateway.protocols.oip.models.text import TextModel
from tandem.oip.grpc_service_pb2 import ModelStatisticsRequest
from tests.unit.gateway.figures.observations import observation


class OneModel:
    """A repository of one text model."""

    def find(self, name: str, version: str = "") -> TextModel:
        return TextModel(name)

    def models(self) -> list[TextModel]:
        return [TextModel("m")]


def report_of(*seen: Any) -> Any:
    figures = ModelStatistics(lambda: 12.5)
    for each in seen:
        figures.record(each)
    repository: Any = OneModel()
    request = ModelStatisticsRequest(name="m")
    [found] = Information(repository, figures, None).model_statistics(request).model_stats  # type: ignore[arg-type]
    return found


def test_figures_become_nanoseconds() -> None:
    phases = {"queue": 0.001, "prefill": 0.002, "decode": 0.003, "encode": 0.0005}
    fields = {"num_outputs": 8, "mean_batch_size": 2.0, "phases": phases, "first_output_seconds": 0.004}
    found = report_of(*[observation("Generate", **fields)] * 2)
    stats = found.inference_stats
    told = {name: (getattr(stats, name).count, getattr(stats, name).ns) for name in ("success", "queue", "fail")}
    assert told == {"success": (2, 200_000_000), "queue": (2, 2_000_000), "fail": (0, 0)}
    assert (stats.compute_input.count, stats.compute_infer.ns, stats.compute_output.ns) == (2, 10_000_000, 1_000_000)
    assert (found.name, found.version, found.inference_count, found.execution_count) == ("m", "1", 2, 8)
    [batch] = found.batch_stats
    assert (batch.batch_size, batch.compute_infer.count, batch.compute_infer.ns) == (2, 8, 5_000_000)
    assert (found.response_stats["0"].success.count, found.response_stats["0"].success.ns) == (2, 8_000_000)
    assert found.last_inference == 12_500
