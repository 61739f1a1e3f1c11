"""The page's numbers are the exported ones: same requests, same buckets, same outputs."""

import random

from prometheus_client import CollectorRegistry

from gateway.metrics import GatewayMetrics
from gateway.observation import Observation
from gateway.totals import Series
from runtime.metrics import SECONDS_BUCKETS
from runtime.routes import all_routes
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2

IMAGES = images_pb2.ImageBatch(shape=[3, 1, 1, 1])
REPLIES = {
    "Sample": gan_pb2.SampleResponse(images=IMAGES),
    "Generate": ar_pb2.GenerateResponse(token_ids=[1, 2], image=IMAGES, finish_reason=ar_pb2.FINISH_REASON_LENGTH),
}


class Timed(Observation):
    seconds = 0.0

    @property
    def total_seconds(self) -> float:
        return self.seconds


def test_totals_are_what_the_registry_exports() -> None:
    chance = random.Random(3)
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for _ in range(500):
        seen = Timed(chance.choice(all_routes()), chance.choice(["grpc", "http"]))
        seen.model = chance.choice(["a", "b"])
        # On a bound, beyond the last one, or anywhere.
        seen.seconds = chance.choice([*SECONDS_BUCKETS, 200.0, chance.expovariate(2.0)])
        if reply := REPLIES.get(seen.route.rpc):
            seen.forwarded(reply.SerializeToString(), 0.0)
        metrics.record(seen, chance.choice(["OK", "OK", "CANCELLED", "UNAVAILABLE"]))
    generating = {route.rpc for route in all_routes() if route.unit is not None}

    def exported(name: str, **wanted: str) -> float:
        return sum(
            sample.value
            for family in registry.collect()
            for sample in family.samples
            if sample.name == name
            and wanted.items() <= sample.labels.items()
            and sample.labels.get("rpc", "Sample") in generating
        )

    totals = metrics.totals.copy()
    assert set(totals) == {Series(paradigm, model) for paradigm in ("sequential", "parallel") for model in "ab"}
    duration = "gen_ai_server_request_duration_seconds"
    for series, each in totals.items():
        labels = series._asdict()
        assert each.num_finished == exported(f"{duration}_count", code="OK", **labels)
        for bound, count in zip(SECONDS_BUCKETS, each.cumulative().values(), strict=False):
            assert count == exported(f"{duration}_bucket", code="OK", le=str(bound), **labels)
        for code, count in each.failed.items():
            assert count == exported("tandem_requests_total", code=code, **labels)
        for unit, count in each.outputs.items():
            assert count == exported("tandem_outputs_total", unit=unit, **labels)


def test_a_copy_stays_as_it_was() -> None:
    metrics = GatewayMetrics(CollectorRegistry())
    seen = Timed(next(route for route in all_routes() if route.rpc == "Sample"), "http")
    metrics.record(seen, "OK")
    before = metrics.totals.copy()
    metrics.record(seen, "OK")
    [(series, after)] = metrics.totals.copy().items()
    assert (before[series].num_finished, after.num_finished) == (1, 2)
    assert after.since(before[series]).num_finished == 1
