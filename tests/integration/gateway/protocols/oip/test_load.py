"""The load generator through this API: it counts what the server sends, as it does by our own methods."""

from __future__ import annotations

import pytest

from tandem.measure.scenario import ClosedLoop, Scenario, Workload
from tests.integration.gateway.protocols.backends import IMAGES, TEXT
from tests.integration.gateway.running import RunningGateway
from tests.integration.single_runs import run_once


def closed(**values: object) -> Scenario:
    workload = Workload.model_validate(
        {"kind": "text", "delivery": "streamed", "api": "oip", "output_tokens": 128, **values}
    )
    return Scenario(workloads=(workload,), load=ClosedLoop(concurrency=3), num_requests=9, warm_up_seconds=0.0)


def address(gateway: RunningGateway) -> str:
    return f"127.0.0.1:{gateway.gateway.server.port}"


@pytest.mark.parametrize("delivery", ["streamed", "unary"])
async def test_every_token_is_counted(gateway: RunningGateway, delivery: str) -> None:
    document = (await run_once(address(gateway), closed(model=TEXT, delivery=delivery))).document
    (stream,) = document.streams
    assert document.problems == ()
    assert (stream.outcomes.ok, stream.num_outputs, stream.num_uncounted) == (9, 9 * 128, 0)
    assert stream.phases is None
    # Of a fast model a message may bring all tokens, but not of every request.
    is_at_the_end = stream.first_output.seconds.mean == pytest.approx(stream.latency.seconds.mean, rel=1e-9)
    assert is_at_the_end == (delivery == "unary")


async def test_images_are_counted(gateway: RunningGateway) -> None:
    scenario = closed(kind="images", model=IMAGES, delivery="unary", images=3)
    (stream,) = (await run_once(address(gateway), scenario)).document.streams
    assert (stream.outcomes.ok, stream.num_outputs, stream.unit) == (9, 27, "image")


async def test_an_error_in_the_stream_has_its_category(gateway: RunningGateway) -> None:
    scenario = closed(model=TEXT, output_tokens=1_000_000)
    (stream,) = (await run_once(address(gateway), scenario)).document.streams
    assert stream.codes == {"INVALID_ARGUMENT": 9}
    assert "max_tokens" in stream.errors[0].text
