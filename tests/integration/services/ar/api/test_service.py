"""The AutoregressiveService over real gRPC."""

import asyncio
import math
import random

import grpc
import pytest
import torch

from tandem.ar.v1 import ar_pb2

GREEDY = {"temperature": 0.0, "ignore_eos": True}


def request(text: str = "The two clocks", model: str = "", **sampling: object) -> ar_pb2.GenerateRequest:
    return ar_pb2.GenerateRequest(model=model, text=text, sampling=sampling)


def tokens(responses: list[ar_pb2.GenerateResponse], choice_index: int = 0) -> list[int]:
    return [token for r in responses if r.choice_index == choice_index for token in r.token_ids]


def text(responses: list[ar_pb2.GenerateResponse], choice_index: int = 0) -> str:
    return "".join(r.text_delta for r in responses if r.choice_index == choice_index)


async def test_a_stream_ends_with_reason_usage_and_timings_that_add_up(backend):
    *chunks, last = await backend.generate(request(max_tokens=12, **GREEDY))
    assert not any(chunk.HasField("timings") or chunk.finish_reason for chunk in chunks)
    assert last.finish_reason == ar_pb2.FINISH_REASON_LENGTH
    assert last.usage.output_tokens == len(tokens([*chunks, last])) == 12
    t = last.timings
    parts = t.queue_seconds + t.prefill_seconds + t.decode_seconds + t.encode_seconds
    assert math.isclose(parts, t.total_seconds, rel_tol=1e-9)
    assert t.mean_batch_size == 1.0


async def test_greedy_output_is_that_of_transformers(backend, reference):
    responses = await backend.generate(request(max_tokens=30, **GREEDY))
    prompt = backend.worker.get("").codec.encode("The two clocks")
    with torch.inference_mode():
        ids = reference.generate(
            torch.tensor([prompt]), max_new_tokens=30, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    assert tokens(responses) == ids[0, len(prompt) :].tolist()


async def test_thirty_two_at_once_get_what_each_gets_alone(backend):
    requests = [
        request("clock " * (1 + i % 7), max_tokens=20, seed=i, temperature=float(i % 2), ignore_eos=True)
        for i in range(32)
    ]
    alone = [tokens(await backend.generate(each)) for each in requests]
    together = await asyncio.gather(*(backend.generate(each) for each in requests))
    assert [tokens(responses) for responses in together] == alone
    assert max(r[-1].timings.mean_batch_size for r in together) > 8


async def test_same_seed_same_output_and_choices_differ(backend):
    first = await backend.generate(request(max_tokens=20, seed=7, n=3, ignore_eos=True))
    second = await backend.generate(request(max_tokens=20, seed=7, n=3, ignore_eos=True))
    choices = [tokens(first, i) for i in range(3)]
    assert choices == [tokens(second, i) for i in range(3)]
    assert len(set(map(tuple, choices))) == 3
    assert [r.choice_index for r in first if r.HasField("timings")] == [first[-1].choice_index]
    assert first[-1].usage.output_tokens == 60
    (alone,) = [tokens(await backend.generate(request(max_tokens=20, seed=7, ignore_eos=True)))]
    assert choices[0] == alone


async def test_every_reply_has_the_fingerprint_that_the_list_has(backend):
    (model,) = (await backend.stub.ListModels(ar_pb2.ListModelsRequest())).models
    assert f"-{model.dtype}-" in model.fingerprint
    assert (await backend.generate(request(max_tokens=3)))[-1].usage.fingerprint == model.fingerprint
    whole = await backend.stub.Complete(ar_pb2.CompleteRequest(generate=request(max_tokens=3)))
    assert whole.usage.fingerprint == model.fingerprint
    scored = await backend.stub.Score(ar_pb2.ScoreRequest(texts={"texts": ["The two clocks"]}))
    assert scored.fingerprint == model.fingerprint


async def test_logprobs_sum_to_what_score_says(backend):
    message = request(max_tokens=15, seed=3, ignore_eos=True)
    message.logprobs, message.top_logprobs = True, 3
    responses = await backend.generate(message)
    reported = [entry for r in responses for entry in r.logprobs]
    assert [entry.token_id for entry in reported] == tokens(responses)
    assert all(len(entry.alternatives) == 3 for entry in reported)
    prompt = backend.worker.get("").codec.encode("The two clocks")
    content = {"token_lists": [{"ids": prompt + tokens(responses)}]}
    (scored,) = (await backend.stub.Score(ar_pb2.ScoreRequest(tokens=content))).likelihoods
    tail = [entry.logprob for entry in scored.tokens[len(prompt) - 1 :]]
    assert tail == pytest.approx([entry.logprob for entry in reported], abs=1e-4)
    assert scored.total_logprob == pytest.approx(sum(entry.logprob for entry in scored.tokens))
    assert scored.bits_per_token == pytest.approx(-scored.total_logprob / math.log(2) / len(scored.tokens))


async def test_a_passed_deadline_stops_the_work(backend):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in backend.stub.Generate(request(max_tokens=250, n=16, ignore_eos=True), timeout=0.2):
            pass
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await backend.assert_idle()


async def test_more_than_the_queue_holds_is_refused_at_once(backend):
    calls = [backend.generate(request(max_tokens=40, n=16, ignore_eos=True)) for _ in range(8)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    refused = [r for r in results if isinstance(r, grpc.aio.AioRpcError)]
    assert len(refused) == 4  # 32 may run and 32 may wait: four requests of 16
    assert {r.code() for r in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all("grpc-status-details-bin" in dict(r.trailing_metadata()) for r in refused)
    await backend.assert_idle()


async def test_a_thousand_random_cancels_free_everything(both):
    chance = random.Random(2)
    refusals: set[grpc.StatusCode] = set()

    def random_request() -> ar_pb2.GenerateRequest:
        if chance.random() < 0.7:
            max_tokens = chance.randint(1, 60)
            return request("clock " * chance.randint(1, 60), "tiny", max_tokens=max_tokens, ignore_eos=True)
        sampling, is_partial = {"n": chance.choice((1, 1, 2))}, chance.random() < 0.7
        return ar_pb2.GenerateRequest(class_label=chance.randrange(10), partial_images=is_partial, sampling=sampling)

    async def client() -> None:
        call = both.stub.Generate(random_request())
        try:
            for _ in range(chance.choice((1, 5)) * chance.randint(0, 12)):
                await call.read()
        except grpc.aio.AioRpcError as error:
            refusals.add(error.code())
        call.cancel()

    for _ in range(20):
        await asyncio.gather(*(client() for _ in range(50)))
    assert refusals <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
    await both.assert_idle()
    for part in both.worker.get("tiny-image").codec.parts:
        assert (part.num_open, part.num_queued) == (0, 0)
        part.check_integrity()


async def test_complete_is_all_that_generate_streams(both):
    text_ = request(model="tiny", n=3, seed=7, max_tokens=20, ignore_eos=True)
    text_.logprobs = True
    pictures = ar_pb2.GenerateRequest(class_label=3, sampling={"n": 2, "seed": 1})
    for wanted, num_choices in ((text_, 3), (pictures, 2)):
        messages = await both.generate(wanted)
        reply = await both.stub.Complete(ar_pb2.CompleteRequest(generate=wanted))
        assert [choice.choice_index for choice in reply.choices] == list(range(num_choices))
        for index, choice in enumerate(reply.choices):
            mine = [message for message in messages if message.choice_index == index]
            assert (choice.text_delta, list(choice.token_ids)) == (text(mine, index), tokens(mine, index))
            assert (choice.image, choice.finish_reason) == (mine[-1].image, ar_pb2.FINISH_REASON_LENGTH)
            assert [entry.token_id for entry in choice.logprobs] == (tokens(mine, index) if wanted.logprobs else [])
            assert not choice.HasField("usage")
            assert not choice.HasField("timings")
        assert reply.usage == messages[-1].usage
        assert reply.timings.total_seconds > 0
