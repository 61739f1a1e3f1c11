"""Complete: what Generate streams, in one reply."""

import asyncio

import grpc
import pytest

from tandem.ar.v1 import ar_pb2


def request(**fields: object) -> ar_pb2.GenerateRequest:
    sampling = ar_pb2.SamplingParams(n=3, seed=7, max_tokens=20, ignore_eos=True)
    return ar_pb2.GenerateRequest(sampling=sampling, **fields)


async def complete(backend, message: ar_pb2.GenerateRequest) -> ar_pb2.CompleteResponse:
    return await backend.stub.Complete(ar_pb2.CompleteRequest(generate=message))


async def test_it_is_all_that_generate_streams(backend):
    wanted = request(text="The two clocks", logprobs=True)
    messages = await backend.generate(wanted)
    reply = await complete(backend, wanted)
    assert [choice.choice_index for choice in reply.choices] == [0, 1, 2]
    for choice in reply.choices:
        mine = [message for message in messages if message.choice_index == choice.choice_index]
        assert choice.text_delta == "".join(message.text_delta for message in mine)
        assert list(choice.token_ids) == [token for message in mine for token in message.token_ids]
        assert [entry.token_id for entry in choice.logprobs] == list(choice.token_ids)
        assert choice.finish_reason == ar_pb2.FINISH_REASON_LENGTH
        assert not choice.HasField("usage")
        assert not choice.HasField("timings")
    assert reply.usage == messages[-1].usage
    assert reply.usage.output_tokens == 60
    assert reply.timings.total_seconds > 0
    await backend.assert_idle()


async def test_pictures_come_whole(both):
    wanted = ar_pb2.GenerateRequest(class_label=3, sampling=ar_pb2.SamplingParams(n=2, seed=1))
    streamed = {each.choice_index: each.image for each in await both.generate(wanted) if each.HasField("image")}
    reply = await complete(both, wanted)
    assert {choice.choice_index: choice.image for choice in reply.choices} == streamed


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": ""}, "generate.text"),
        ({"class_label": 1, "partial_images": True}, "generate.partial_images: True is not accepted; accepted: false"),
        ({"text": "a", "sampling": ar_pb2.SamplingParams(top_p=2)}, "generate.sampling.top_p: 2.0"),
    ],
)
async def test_bad_input_names_the_field_where_it_lies(both, fields, words):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await complete(both, ar_pb2.GenerateRequest(**fields))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()
    await both.assert_idle()


async def test_one_that_is_cancelled_leaves_nothing(backend):
    sampling = ar_pb2.SamplingParams(max_tokens=200, ignore_eos=True)
    call = backend.stub.Complete(
        ar_pb2.CompleteRequest(generate=ar_pb2.GenerateRequest(text="The two clocks", sampling=sampling))
    )
    async with asyncio.timeout(60):
        while backend.worker.get("").engine.last_progress() is None:
            await asyncio.sleep(0)
    call.cancel()
    await backend.assert_idle()


async def test_a_conversation_for_a_model_without_a_chat_template_is_the_request_s_fault(backend, monkeypatch):
    monkeypatch.setattr(backend.worker.models[0].codec, "_chat", None)
    chat = ar_pb2.ChatPrompt(messages=[ar_pb2.ChatMessage(role="user", content="Hi")])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await complete(backend, request(chat=chat))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith("generate.chat: 'messages' is not accepted")
