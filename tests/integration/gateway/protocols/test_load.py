"""The load generator through both APIs: it counts what the server sends, as it does by our own methods."""

from __future__ import annotations

import pytest

from tandem.measure.scenario import ClosedLoop, Scenario, Workload
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.running import RunningGateway
from tests.integration.single_runs import run_once


def closed(**values: object) -> Scenario:
    workload = Workload.model_validate({"kind": "text", "delivery": "streamed", "output_tokens": 128, **values})
    return Scenario(workloads=(workload,), load=ClosedLoop(concurrency=3), num_requests=9, warm_up_seconds=0.0)


def address_of(gateway: RunningGateway, api: str) -> str:
    return f"127.0.0.1:{gateway.gateway.server.port}" if api == "oip" else gateway.web_address


@pytest.mark.parametrize("api", ["openai", "openai-chat", "oip"])
@pytest.mark.parametrize("delivery", ["streamed", "unary"])
async def test_every_token_is_counted(gateway: RunningGateway, api: str, delivery: str) -> None:
    document = (await run_once(address_of(gateway, api), closed(model=TEXT, api=api, delivery=delivery))).document
    (stream,) = document.streams
    assert document.problems == ()
    assert (stream.outcomes.ok, stream.num_outputs, stream.num_uncounted) == (9, 9 * 128, 0)
    assert (stream.model, stream.phases) == (TEXT, None)
    if api == "oip":
        # Of a fast model a message may bring all tokens, but not of every request.
        is_at_the_end = stream.first_output.seconds.mean == pytest.approx(stream.latency.seconds.mean, rel=1e-9)
        assert is_at_the_end == (delivery == "unary")
    else:
        assert stream.num_prompt_tokens is not None
        assert stream.num_prompt_tokens > 9


@pytest.mark.parametrize("api", ["openai", "oip"])
async def test_images_are_counted(gateway: RunningGateway, api: str) -> None:
    scenario = closed(kind="images", api=api, model=IMAGES, delivery="unary", images=3)
    (stream,) = (await run_once(address_of(gateway, api), scenario)).document.streams
    assert (stream.outcomes.ok, stream.num_outputs, stream.unit) == (9, 27, "image")


async def test_pictures_are_counted(gateway: RunningGateway) -> None:
    pictures = closed(kind="image", api="openai", delivery="unary", model=PICTURES, num_classes=1)
    (stream,) = (await run_once(gateway.web_address, pictures)).document.streams
    assert (stream.outcomes.ok, stream.unit, stream.num_uncounted) == (9, "token", 0)
    assert stream.num_outputs > 9


async def test_an_error_in_the_stream_has_its_category(gateway: RunningGateway) -> None:
    scenario = closed(model=TEXT, api="oip", output_tokens=1_000_000)
    (stream,) = (await run_once(address_of(gateway, "oip"), scenario)).document.streams
    assert stream.codes == {"INVALID_ARGUMENT": 9}
    assert "max_tokens" in stream.errors[0].text
