"""Statistics that load testers subtract: they advance with the requests, and their parts agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from tritonclient.grpc.aio import InferenceServerClient as Client

from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.oip.inputs import labels, picture_inputs, sampled, seeds, text_inputs
from tests.integration.gateway.running import RunningGateway


async def statistics(client: Client, model: str) -> Any:
    [found] = (await client.get_inference_statistics(model)).model_stats
    return found


def check(found: Any, num_requests: int, num_inferences: int) -> None:
    stats = found.inference_stats
    assert (found.inference_count, stats.success.count, stats.fail.count) == (num_inferences, num_requests, 0)
    phases = (stats.queue, stats.compute_input, stats.compute_infer, stats.compute_output)
    assert {phase.count for phase in phases} == {num_requests}
    assert 0 < stats.compute_infer.ns < stats.success.ns
    assert sum(phase.ns for phase in phases) <= stats.success.ns
    assert abs(sum(batch.compute_infer.count for batch in found.batch_stats) - found.execution_count) <= len(
        found.batch_stats
    )


async def test_images_and_passes(gateway: RunningGateway, client: Client) -> None:
    assert (await statistics(client, IMAGES)).inference_stats.queue.count == 0
    for _ in range(3):
        await client.infer(IMAGES, [seeds(1)])
    await client.infer(IMAGES, [seeds(1), labels(*range(8))])
    await sampled(gateway, count=4)  # by our own RPC, as statistics are the model's
    await gateway.until_idle()
    found = await statistics(client, IMAGES)
    check(found, 5, 15)
    assert 5 <= found.execution_count <= 15
    assert found.last_inference > 0
    sizes = {batch.batch_size: batch.compute_infer.count for batch in found.batch_stats}
    assert sum(size * count for size, count in sizes.items()) >= 15 - len(sizes)
    assert not found.response_stats


async def test_texts_and_steps(gateway: RunningGateway, client: Client) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        sampling = {"max_tokens": 10, "ignore_eos": True}
        yield {"model_name": TEXT, "inputs": text_inputs("a", sampling, stream=True)}

    await client.infer(TEXT, text_inputs("a", {"max_tokens": 10, "ignore_eos": True}))
    async for result, error in client.stream_infer(requests()):
        assert error is None
        assert result is not None
    await client.infer(PICTURES, picture_inputs(1, 1, n=2))
    await gateway.until_idle()
    found = await statistics(client, TEXT)
    check(found, 2, 2)
    assert found.execution_count == 20  # alone, each step is of one token
    assert found.response_stats["0"].success.count == 1
    check(await statistics(client, PICTURES), 1, 2)


async def test_those_that_fail_are_counted_apart(gateway: RunningGateway, client: Client) -> None:
    num_done = 0
    while True:
        call = asyncio.create_task(
            client.infer(TEXT, text_inputs("a", {"max_tokens": 200, "n": 16, "ignore_eos": True}))
        )
        await asyncio.sleep(0)
        while not gateway.value("tandem_requests_in_flight") and not call.done():
            await gateway.poll()
        call.cancel()
        [outcome] = await asyncio.gather(call, return_exceptions=True)
        if isinstance(outcome, BaseException):
            break
        num_done += 1  # on a busy machine the tiny model may be done before the gateway is asked
    await asyncio.gather(client.infer(TEXT, text_inputs("a", {"top_p": 7})), return_exceptions=True)
    await gateway.until_idle()
    found = await statistics(client, TEXT)
    assert found.inference_stats.success.count == num_done
    assert found.inference_stats.fail.count == 1
    assert found.inference_stats.queue.count == num_done
