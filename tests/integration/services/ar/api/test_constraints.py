"""Outputs held to a constraint, through the real server: valid, exact in company and with drafts, at nobody's cost."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator

import grpc
import jsonschema
import pytest

from services.ar.settings import ArSettings
from tandem.ar.v1 import ar_pb2
from tests.integration.services.ar.conftest import Backend, serving
from tests.integration.services.ar.schemas import SCHEMAS

TEXT = "The two clocks of the old station, the two clocks of the"
ENDLESS = json.dumps({"patternProperties": {f"^[a-z]*{number}x+$": {} for number in range(1500)}})
# Easy to begin with; where "y" has been, so many rules may follow at once that a limit is met.
TOO_COMPLEX = 'start: "xxxxxxxxxxxx" "y" r\nr: "q" | ' + " | ".join(f'"{number}" r' for number in range(800))


def request(text: str = TEXT, logprobs: bool = False, **sampling: object) -> ar_pb2.GenerateRequest:
    sampling = {"seed": 1, "max_tokens": 120} | sampling
    return ar_pb2.GenerateRequest(model="tiny", text=text, sampling=sampling, logprobs=logprobs)


async def complete(backend: Backend, message: ar_pb2.GenerateRequest) -> ar_pb2.CompleteResponse:
    reply = await backend.stub.Complete(ar_pb2.CompleteRequest(generate=message))
    reply.ClearField("timings")
    for field in ("cached_tokens", "drafted_tokens", "accepted_tokens"):  # depend on the company
        reply.usage.ClearField(field)
    return reply


async def refused(backend: Backend, message: ar_pb2.GenerateRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await backend.generate(message)
    return caught.value.code(), caught.value.details() or ""


@pytest.fixture
async def trying(repository) -> AsyncIterator[Backend]:
    """Tries tokens ahead, with so few blocks that sequences are preempted and computed again."""
    settings = ArSettings(
        models_dir=repository[0],
        models=["tiny"],
        max_context_tokens=256,
        kv_cache_tokens=256,
        max_num_sequences=16,
        max_queued_sequences=64,
        max_caller_share=1.0,
        speculative_tokens=6,
    )
    async with serving(settings) as running:
        yield running


def constrained() -> Iterator[ar_pb2.GenerateRequest]:
    """Yield requests of all kinds, with what else may be asked for."""
    chance = random.Random(5)
    kinds = [
        *({"json_schema": json.dumps(schema)} for schema in SCHEMAS.values()),
        {"json_object": True},
        {"regex": "(the clock |of the ){4,9}station"},
        {"regex": "[a-z ]{20,60}"},
        {"lark": 'start: item ("," item)*\nitem: "tick" | "tock" | "(" item ")"'},
        {"choice": {"texts": ["yes", "no", "the two clocks of the old station"]}},
        *({} for _ in range(8)),  # neighbours without a constraint
    ]
    # More than the blocks of `trying` hold, from one moment on: most of them are computed again.
    yield request(seed=99, n=6, regex="[a-z]{90}")
    for number, kind in enumerate(kinds):
        yield request(
            logprobs=number % 2 == 0,
            seed=number,
            n=chance.choice([1, 1, 3]),
            temperature=chance.choice([0.0, 0.7, 1.0]),
            top_p=chance.choice([1.0, 0.9]),
            top_k=chance.choice([0, 0, 20]),
            frequency_penalty=chance.choice([0.0, 0.3]),
            min_tokens=chance.choice([0, 0, 5]),
            max_tokens=chance.choice([12, 100]),
            logit_bias=dict.fromkeys(chance.choices(range(384), k=3), 8.0),
            **kind,
        )


async def test_outputs_are_the_same_alone_in_company_with_drafts_and_computed_again(backend, trying):
    alone = [await complete(backend, message) for message in constrained()]
    assert await asyncio.gather(*(complete(backend, message) for message in constrained())) == alone
    assert await asyncio.gather(*(complete(trying, message) for message in constrained())) == alone
    assert trying.sample("tandem_drafted_accepted_tokens_total", model="tiny") > 0
    assert trying.sample("tandem_preemptions_total", model="tiny") > 0
    reasons = {choice.finish_reason for reply in alone for choice in reply.choices}
    assert reasons == {ar_pb2.FINISH_REASON_STOP, ar_pb2.FINISH_REASON_LENGTH}
    await trying.assert_idle()


async def test_a_thousand_outputs_under_twenty_schemas_are_valid(backend):
    """Numbers and texts without an end are cut by max_tokens now and then; those that end by themselves are valid."""
    numbers = dict.fromkeys(SCHEMAS, 0)

    async def generate(name: str, seed: int) -> None:
        message = request("x", json_schema=json.dumps(SCHEMAS[name]), seed=seed, n=5, max_tokens=240, temperature=0.9)
        for choice in (await complete(backend, message)).choices:
            if choice.finish_reason == ar_pb2.FINISH_REASON_STOP:
                jsonschema.validate(
                    json.loads(choice.text_delta), SCHEMAS[name], format_checker=jsonschema.FormatChecker()
                )
                numbers[name] += 1

    names = list(SCHEMAS)
    for seed in range(10):
        for first in range(0, len(names), 10):  # 50 sequences at a time: the queue holds no more than 64
            await asyncio.gather(*(generate(name, seed) for name in names[first : first + 10]))
    assert len(SCHEMAS) == 20
    assert min(numbers.values()) >= 25
    assert sum(numbers.values()) >= 950


async def test_logprobs_stay_the_model_s_own(backend):
    message = request(regex="[0-9]{6}", logprobs=True, temperature=0.0)
    (choice,) = (await complete(backend, message)).choices
    prompt = [*backend.worker.models[0].codec.encode(TEXT), *choice.token_ids]
    scored = ar_pb2.ScoreRequest(model="tiny", tokens={"token_lists": [{"ids": prompt}]})
    (likelihood,) = (await backend.stub.Score(scored)).likelihoods
    expected = [token.logprob for token in likelihood.tokens][-len(choice.token_ids) :]
    assert [token.logprob for token in choice.logprobs] == pytest.approx(expected, abs=1e-5)
    assert min(expected) < -1  # a mask would have left more


@pytest.mark.parametrize("ignore_eos", [False, True])
async def test_ends_that_are_not_wanted_wait_for_others_to_be_left(backend, ignore_eos):
    """An output that matches goes on for min_tokens, and for ever with ignore_eos, where it can; else it ends."""
    (open_,) = (
        await complete(backend, request(regex="[0-9]+", min_tokens=9, max_tokens=20, ignore_eos=ignore_eos))
    ).choices
    assert len(open_.token_ids) >= (20 if ignore_eos else 9)
    (closed,) = (await complete(backend, request(regex="[0-9]{3}", min_tokens=9, ignore_eos=ignore_eos))).choices
    assert (len(closed.text_delta), closed.finish_reason) == (3, ar_pb2.FINISH_REASON_STOP)


async def test_the_last_token_of_a_match_is_text_and_a_cut_says_so(backend):
    (whole,) = (await complete(backend, request(choice={"texts": ["station"]}))).choices
    assert (whole.text_delta, whole.finish_reason) == ("station", ar_pb2.FINISH_REASON_STOP)
    (cut,) = (await complete(backend, request(regex="[0-9]{30}", max_tokens=3))).choices
    assert cut.finish_reason == ar_pb2.FINISH_REASON_LENGTH
    (exact,) = (await complete(backend, request(regex="[0-9]{1}", max_tokens=1))).choices
    assert exact.finish_reason == ar_pb2.FINISH_REASON_STOP
    (stopped,) = (await complete(backend, request(regex="aaa+b", stop=["aa"]))).choices
    assert (stopped.matched_stop, stopped.finish_reason) == ("aa", ar_pb2.FINISH_REASON_STOP)


async def test_what_becomes_too_complex_ends_alone(backend):
    plain = [request(seed=number, max_tokens=60) for number in range(6)]
    alone = [await complete(backend, message) for message in plain]
    hostile = request(lark=TOO_COMPLEX, max_tokens=200)
    (code, details), *replies = await asyncio.gather(
        refused(backend, hostile), *(complete(backend, message) for message in plain)
    )
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "cannot be followed any further" in details
    assert replies == alone
    await backend.assert_idle()


async def test_a_grammar_without_end_to_compile_costs_its_caller_alone(backend):
    expected = await complete(backend, request(regex="[a-z]{9}"))
    endless = asyncio.gather(*(refused(backend, request(json_schema=ENDLESS)) for _ in range(2)))
    assert await complete(backend, request(seed=1)) == await complete(backend, request(seed=1))
    assert {code for code, _ in await endless} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert await complete(backend, request(regex="[a-z]{9}")) == expected
    assert backend.sample("tandem_constraints_total", model="tiny", outcome="finished") == 4


async def test_a_caller_that_leaves_takes_its_constraint_out_of_the_queue(backend):
    calls = [backend.stub.Generate(request(json_schema=ENDLESS)) for _ in range(5)]
    reads = [asyncio.ensure_future(call.read()) for call in calls]
    while backend.worker.models[0]._compilations.num_open < 5:
        await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    await complete(backend, request(choice={"texts": ["yes"]}))
    assert backend.sample("tandem_constraints_total", model="tiny", outcome="cancelled") == 5


async def test_open_constraints_have_a_bound_together(repository):
    bounds = {"max_constraint_bytes": 80_000_000, "max_caller_share": 1.0}
    settings = ArSettings(models_dir=repository[0], models=["tiny"], max_context_tokens=256, **bounds)
    async with serving(settings) as running:
        long = request(regex="[a-z]{200}", max_tokens=200)
        replies = await asyncio.gather(*(complete(running, long) for _ in range(8)), return_exceptions=True)
        errors = [each for each in replies if isinstance(each, grpc.aio.AioRpcError)]
        assert 0 < len(errors) <= 6
        assert {each.code() for each in errors} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "memory for constraints" in (errors[0].details() or "")
