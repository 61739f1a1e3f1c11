"""The load generator through this API: it counts what the server sends, as it does over gRPC."""

from __future__ import annotations

import pytest

from tandem.measure.scenario import ClosedLoop, Scenario, Workload
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES
from tests.integration.gateway.running import RunningGateway
from tests.integration.single_runs import run_once


def closed(**values: object) -> Scenario:
    workload = Workload.model_validate(
        {"kind": "text", "delivery": "streamed", "api": "openai", "output_tokens": 8, **values}
    )
    return Scenario(workloads=(workload,), load=ClosedLoop(concurrency=3), num_requests=9, warm_up_seconds=0.0)


@pytest.mark.parametrize("api", ["openai", "openai-chat"])
@pytest.mark.parametrize("delivery", ["streamed", "unary"])
async def test_every_token_is_counted(gateway: RunningGateway, api: str, delivery: str) -> None:
    document = (await run_once(gateway.web_address, closed(api=api, delivery=delivery))).document
    (stream,) = document.streams
    assert document.problems == ()
    assert (stream.outcomes.ok, stream.num_outputs, stream.num_uncounted) == (9, 9 * 8, 0)
    assert stream.num_prompt_tokens is not None
    assert stream.num_prompt_tokens > 9
    assert (stream.model, stream.phases, document.models) == ("tiny", None, ())


async def test_images_and_pictures_are_counted(gateway: RunningGateway) -> None:
    images = closed(kind="images", delivery="unary", model=IMAGES, images=3)
    (stream,) = (await run_once(gateway.web_address, images)).document.streams
    assert (stream.outcomes.ok, stream.num_outputs, stream.unit) == (9, 27, "image")
    pictures = closed(kind="image", delivery="unary", model=PICTURES, num_classes=1)
    (stream,) = (await run_once(gateway.web_address, pictures)).document.streams
    assert (stream.outcomes.ok, stream.unit, stream.num_uncounted) == (9, "token", 0)
    assert stream.num_outputs > 9
