"""ModelStreamInfer: tokens as they come, many requests in one call, errors inside it, cancellation and its end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.grpc.aio import InferenceServerClient as Client

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tests.faults.attacks.connection import connected
from tests.faults.attacks.grpc_stream import call_headers, framed
from tests.integration.gateway.fakes import HOLD, HOST, IMAGE_MODEL, SAMPLE, FakeBackend
from tests.integration.gateway.protocols.backends import IMAGES, PICTURES, TEXT
from tests.integration.gateway.protocols.oip.inputs import (
    STREAM_INFER,
    completed,
    drawn,
    picture_inputs,
    sampled,
    seeds,
    text_inputs,
)
from tests.integration.gateway.running import QUICK, RunningGateway, running_gateway

SAMPLING = {"max_tokens": 20, "seed": 3, "ignore_eos": True}


def asked(model: str, inputs: list[Any], request_id: str = "", **more: Any) -> dict[str, Any]:
    return {"model_name": model, "inputs": inputs, "request_id": request_id, **more}


async def answers(client: Client, *requests: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the replies of a stream by request id; an error stands under the empty one."""

    async def each() -> AsyncIterator[dict[str, Any]]:
        for request in requests:
            yield request

    found = defaultdict(list)
    async with asyncio.timeout(60):
        async for result, error in client.stream_infer(each()):
            found[result.get_response().id if error is None else ""].append(result if error is None else error)
    return found


def finals(results: list[Any]) -> list[bool]:
    parameters = [result.get_response().parameters for result in results]
    assert all("triton_final_response" in each for each in parameters)
    return [each["triton_final_response"].bool_param for each in parameters]


async def test_a_text_comes_token_by_token(gateway: RunningGateway, client: Client) -> None:
    expected = await completed(gateway, "The clock", **SAMPLING)
    flags = {"stream": True, "return_finish_reason": True, "return_num_output_tokens": True}
    request = asked(TEXT, text_inputs("The clock", SAMPLING, **flags), "x", enable_empty_final_response=True)
    for _ in range(50):
        results = (await answers(client, request))["x"]
        if len(results) > 1:  # tokens that are ready together travel together, which on a busy machine may be all
            break
    assert len(results) > 1
    texts = [result.as_numpy("text_output")[0].decode() for result in results]
    assert "".join(texts) == expected.choices[0].text_delta
    assert finals(results) == [False] * (len(results) - 1) + [True]
    assert [result.as_numpy("finish_reason")[0] for result in results][-2:] == [b"None", b"length"]
    assert sum(result.as_numpy("num_output_tokens")[0] for result in results) == 20


async def test_choices_have_their_places(gateway: RunningGateway, client: Client) -> None:
    expected = await completed(gateway, "a", n=3, **SAMPLING)
    flags = {"stream": True, "return_cumulative_logprob": True, "exclude_input_in_output": False}
    results = (await answers(client, asked(TEXT, text_inputs("a", {**SAMPLING, "n": 3}, **flags), "x")))["x"]
    for place, choice in enumerate(expected.choices):
        text = "".join(result.as_numpy("text_output")[place].decode() for result in results)
        assert text == f"a{choice.text_delta}"
        total = sum(token.logprob for token in choice.logprobs)
        assert results[-1].as_numpy("cumulative_logprob")[place] == pytest.approx(total, rel=1e-6)


async def test_one_call_carries_many_requests(gateway: RunningGateway, client: Client) -> None:
    texts = {f"t{seed}": await completed(gateway, "a", max_tokens=20, seed=seed) for seed in range(8)}
    images = {f"i{seed}": await sampled(gateway, seed=seed) for seed in range(8)}
    picture = await drawn(gateway, 2, seed=1)
    requests = [asked(IMAGES, [seeds(seed)], f"i{seed}") for seed in range(8)]
    requests += [
        asked(TEXT, text_inputs("a", {"max_tokens": 20, "seed": seed}, stream=True), f"t{seed}") for seed in range(8)
    ]
    found = await answers(client, *requests, asked(PICTURES, picture_inputs(2, 1), "p"))
    for name, reply in texts.items():
        text = "".join(result.as_numpy("text_output")[0].decode() for result in found[name])
        assert text == reply.choices[0].text_delta
    for name, sample in images.items():
        assert [result.as_numpy("images").tobytes() for result in found[name]] == [sample.images.data]
    drawn_tokens = [token for result in found["p"] for token in result.as_numpy("token_ids")]
    assert drawn_tokens == list(picture.choices[0].token_ids)
    assert found["p"][-1].as_numpy("images").tobytes() == picture.choices[0].image.data
    assert {name: finals(results).count(True) for name, results in found.items()} == dict.fromkeys(found, 1)


async def test_an_error_is_told_inside_and_the_call_goes_on(gateway: RunningGateway, client: Client) -> None:
    found = await answers(
        client,
        asked("nothing", [seeds(1)], "a"),
        asked(IMAGES, [seeds(1)], "b"),
        asked(TEXT, text_inputs("a", {"top_p": 7}, stream=True), "c"),
    )
    told = sorted(str(error) for error in found[""])
    assert told == [
        "[INVALID_ARGUMENT] sampling_parameters.top_p: 7.0 is not accepted; accepted: above 0 to 1",
        "[NOT_FOUND] model: there is no 'nothing'; there are: fashion-gan, tiny, tiny-image",
    ]
    assert len(found["b"]) == 1


async def test_an_error_bears_the_id_of_its_request(gateway: RunningGateway) -> None:
    call = gateway.channel.stream_stream(STREAM_INFER)()
    await call.write(service_pb2.ModelInferRequest(model_name="nothing", id="9").SerializeToString())
    await call.write(b"\xff\xff")
    async with asyncio.timeout(60):  # a proxy that waits for the end of the request would wait for ever
        replies = [service_pb2.ModelStreamInferResponse.FromString(await call.read()) for _ in range(2)]
    await call.done_writing()
    told = {reply.infer_response.id: reply.error_message.partition(" ")[0] for reply in replies}
    assert told == {"9": "[NOT_FOUND]", "": "[INVALID_ARGUMENT]"}
    assert all(reply.infer_response.parameters["triton_final_response"].bool_param for reply in replies)
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_answers_without_an_id_keep_the_order_of_the_requests(gateway: RunningGateway, client: Client) -> None:
    slow = {"max_tokens": 60, "ignore_eos": True}
    requests = [
        asked(TEXT, text_inputs("a", slow, stream=True)),
        asked(IMAGES, [seeds(1)]),
        asked("nothing", [seeds(1)]),
        asked(PICTURES, picture_inputs(1, 1)),
        asked(IMAGES, [seeds(2)]),
    ]

    async def each() -> AsyncIterator[dict[str, Any]]:
        for request in requests:
            yield request

    seen: list[str] = []
    async with asyncio.timeout(60):
        async for result, error in client.stream_infer(each()):
            name = "nothing" if error is not None else result.get_response().model_name
            if seen[-1:] != [name]:
                seen.append(name)
    assert seen == [TEXT, IMAGES, "nothing", PICTURES, IMAGES]


def held_request(request_id: str) -> bytes:
    request = service_pb2.ModelInferRequest(model_name="fake-text", id=request_id)
    for name, datatype, field, value in (
        ("text_input", "BYTES", "bytes_contents", HOLD.encode()),
        ("stream", "BOOL", "bool_contents", True),
    ):
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[1])
        getattr(tensor.contents, field).append(value)
    return request.SerializeToString()


@pytest.fixture
async def held(ar: FakeBackend, gan: FakeBackend) -> AsyncIterator[RunningGateway]:
    """A gateway before a text backend whose answer to HOLD never comes."""
    async with running_gateway([ar], [gan]) as running:
        yield running


async def until_open(ar: FakeBackend, count: int) -> None:
    async with asyncio.timeout(60):
        while ar.servicer.open_calls != count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("by", ["cancel", "deadline", "connection"])
async def test_the_end_of_the_call_ends_all_of_its_requests(held: RunningGateway, ar: FakeBackend, by: str) -> None:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{held.gateway.server.port}", options=options) as channel:
        call = channel.stream_stream(STREAM_INFER)(timeout=1.0 if by == "deadline" else None)
        for number in range(5):
            await call.write(held_request(str(number)))
        await until_open(ar, 5)
        if by == "cancel":
            call.cancel()
        if by == "deadline":
            assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if by != "connection":
            await until_open(ar, 0)
    await until_open(ar, 0)
    await held.until_idle()
    assert held.value("tandem_requests_total", transport="oip") == 5
    code = "DEADLINE_EXCEEDED" if by == "deadline" else "CANCELLED"
    assert held.value("tandem_requests_total", transport="oip", code=code) == 5


async def test_an_idle_call_outlives_the_time_that_a_request_has(ar: FakeBackend, gan: FakeBackend) -> None:
    async with running_gateway([ar], [gan], limits={**QUICK, "request": "0.3s"}) as running:
        call = running.channel.stream_stream(STREAM_INFER)()
        await call.initial_metadata()
        # A request that does not come is ended at the limit, and it began after the call.
        assert await running.channel.stream_unary(SAMPLE)().code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await call.write(service_pb2.ModelInferRequest(model_name="nothing").SerializeToString())
        reply = service_pb2.ModelStreamInferResponse.FromString(await call.read())
        assert reply.error_message.startswith("[NOT_FOUND]")


async def test_a_stop_lets_requests_finish_and_ends_the_call(held: RunningGateway, ar: FakeBackend) -> None:
    hold = asyncio.Event()
    ar.servicer.before_message = lambda index: hold.wait()
    call = held.channel.stream_stream(STREAM_INFER)()
    request = service_pb2.ModelInferRequest.FromString(held_request("1"))
    request.inputs[0].contents.bytes_contents[0] = b"a"
    await call.write(request.SerializeToString())
    await until_open(ar, 1)
    stopping = asyncio.create_task(held.stop(20))
    while held.gateway.server.health.serving:
        await asyncio.sleep(0)
    hold.set()
    texts = []
    while not texts or not texts[-1].parameters["triton_final_response"].bool_param:
        texts.append(service_pb2.ModelStreamInferResponse.FromString(await call.read()).infer_response)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await call.read()
    assert (ended.value.code(), ended.value.details()) == (grpc.StatusCode.UNAVAILABLE, "the gateway is stopping")
    await stopping
    assert held.value("tandem_requests_total", code="OK", transport="oip") == 1


async def test_readers_that_stall_take_nothing_from_the_others(
    ar: FakeBackend, gan: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All calls share the connections behind Envoy; of each stalled one more is asked for than Envoy keeps of it."""
    num_stalled, num_images, size = 12, 12, 200_000
    model = gan_pb2.Model(name=IMAGE_MODEL, image_shape=[1, 1, size], latent_dim=2, max_batch_size=4)

    async def list_models(*_: Any) -> Any:
        return gan_pb2.ListModelsResponse(models=[model])

    def large_images(count: int, first: int) -> Any:
        images = images_pb2.ImageBatch(shape=[count, 1, 1, size], data=bytes(count * size))
        return gan_pb2.SampleResponse(images=images, first_index=first)

    monkeypatch.setattr(gan.servicer, "list_models", list_models)
    monkeypatch.setattr(gan.servicer, "_images", large_images)
    await gan.stop()
    await gan.start()
    asking = ModelInferRequest(model_name=IMAGE_MODEL, id="a").SerializeToString()
    counter = "cluster.oip_streams.upstream_cx_rx_bytes_total"
    async with (
        running_gateway([ar], [gan], limits={**QUICK, "connection_buffer": 65_536}) as gateway,
        connected(f"{HOST}:{gateway.gateway.server.port}", window=1000) as stalled,
        asyncio.timeout(120),
    ):
        for _ in range(num_stalled):
            number = stalled.open_stream(call_headers(STREAM_INFER))
            await stalled.send(number, framed(asking) * num_images)
        received = 0
        while received < num_stalled << 20:
            call = gateway.channel.stream_stream(STREAM_INFER)(iter([asking]))
            assert len([reply async for reply in call]) == 1
            [found] = (await gateway.gateway.envoy.admin._json(f"/stats?format=json&filter=^{counter}$"))["stats"]
            received = int(found["value"])
