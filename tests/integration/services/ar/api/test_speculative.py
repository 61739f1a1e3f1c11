"""A backend that tries tokens ahead answers as one that does not, message by message put together."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tests.integration.services.ar.conftest import Backend, serving

TEXT = "The two clocks of the old station, the two clocks of the"


@pytest.fixture
async def with_and_without(repository) -> AsyncIterator[tuple[Backend, Backend]]:
    def made(speculative_tokens: int) -> ArSettings:
        return ArSettings(
            models_dir=repository[0],
            models=["tiny", "tiny-image"],
            max_context_tokens=256,
            kv_cache_tokens=1024,
            max_num_sequences=8,
            speculative_tokens=speculative_tokens,
        )

    async with serving(made(6)) as trying, serving(made(0)) as plain:
        yield trying, plain


def requests() -> Iterator[ar_pb2.GenerateRequest]:
    chance = random.Random(11)
    for number in range(24):
        sampling = ar_pb2.SamplingParams(
            seed=number,
            n=chance.choice([1, 1, 2]),
            temperature=chance.choice([0.0, 0.5, 1.0]),
            top_p=chance.choice([1.0, 0.9]),
            frequency_penalty=chance.choice([0.0, 0.4]),
            max_tokens=chance.randint(1, 60),
            min_tokens=chance.choice([0, 1]),
            stop=chance.choice([[], ["e"], ["o c"]]),
            ignore_eos=chance.random() < 0.5,
            logit_bias=dict.fromkeys(chance.choices(range(384), k=5), 8.0),
        )
        yield ar_pb2.GenerateRequest(model="tiny", text=TEXT, sampling=sampling, logprobs=number % 2 == 0)


async def complete(backend: Backend, request: ar_pb2.GenerateRequest) -> ar_pb2.CompleteResponse:
    reply = await backend.stub.Complete(ar_pb2.CompleteRequest(generate=request))
    reply.ClearField("timings")
    reply.usage.ClearField("cached_tokens")  # depends on who came first
    return reply


async def test_answers_are_the_same_to_the_last_bit(with_and_without):
    trying, plain = with_and_without
    expected = await asyncio.gather(*(complete(plain, request) for request in requests()))
    assert await asyncio.gather(*(complete(trying, request) for request in requests())) == expected
    reasons = {choice.finish_reason for reply in expected for choice in reply.choices}
    assert reasons == {ar_pb2.FINISH_REASON_STOP, ar_pb2.FINISH_REASON_LENGTH}
    drafted, accepted = (
        trying.sample(f"tandem_{name}_total", model="tiny") for name in ("drafted_tokens", "drafted_accepted_tokens")
    )
    assert 0 < accepted < drafted
    await trying.assert_idle()


async def test_a_stream_whose_drafts_hold_brings_several_tokens_a_step(with_and_without):
    trying, plain = with_and_without
    sampling = ar_pb2.SamplingParams(max_tokens=100, ignore_eos=True, logit_bias={100: 100.0})
    request = ar_pb2.GenerateRequest(model="tiny", text=TEXT, sampling=sampling)
    counts = []
    for backend in (trying, plain):
        before = backend.sample("tandem_step_seconds_count", model="tiny")
        await complete(backend, request)
        counts.append(backend.sample("tandem_step_seconds_count", model="tiny") - before)
    assert counts[0] < counts[1] / 2


async def test_pictures_are_not_tried_ahead(with_and_without):
    trying, _ = with_and_without
    await complete(trying, ar_pb2.GenerateRequest(model="tiny-image", class_label=3))
    assert trying.sample("tandem_drafted_tokens_total", model="tiny-image") == 0
