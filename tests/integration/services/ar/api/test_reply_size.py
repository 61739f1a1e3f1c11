"""Replies keep to the size of a message: refused before the work if they could not."""

import grpc
import pytest

from tandem.ar.v1 import ar_pb2

LIMIT_BYTES = 16 * 1024


@pytest.fixture
def small_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limit: a tiny model's contexts do not reach the real one."""
    monkeypatch.setattr("services.ar.api.reply_size.MAX_MESSAGE_BYTES", LIMIT_BYTES)


def complete_request(**sampling: int) -> ar_pb2.CompleteRequest:
    sampling |= {"ignore_eos": True, "seed": 3}
    wanted = {"text": "The two clocks", "sampling": sampling, "logprobs": True, "top_logprobs": 20}
    return ar_pb2.CompleteRequest(generate=wanted)


def num_steps(backend) -> float:
    steps = backend.sample("tandem_step_seconds_count", model="tiny")
    assert steps > 0  # the warm-up's at least
    return steps


async def refused(call: grpc.aio.UnaryUnaryCall) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return caught.value.details() or ""


async def test_complete_is_refused_before_a_step_is_run_and_generate_streams_it(backend, small_messages):
    wanted, before = complete_request(n=16, max_tokens=40), num_steps(backend)
    details = await refused(backend.stub.Complete(wanted))
    assert details.startswith("generate.sampling.max_tokens: 'n 16, max_tokens 40, logprobs, top_logprobs 20: up to ")
    assert f"what fits one message of {LIMIT_BYTES} bytes; Generate streams replies of any size" in details
    assert num_steps(backend) == before
    messages = await backend.generate(wanted.generate)
    assert sum(len(message.token_ids) for message in messages) == 16 * 40
    assert max(message.ByteSize() for message in messages) <= LIMIT_BYTES


async def test_score_is_refused_before_a_step_is_run(backend, small_messages):
    many, few = (ar_pb2.ScoreRequest(tokens={"token_lists": [{"ids": range(5, 105)}] * count}) for count in (20, 3))
    before = num_steps(backend)
    details = await refused(backend.stub.Score(many))
    assert details.startswith("tokens: '20 sequences of 2000 tokens: up to ")
    assert details.endswith(f"a reply of {LIMIT_BYTES} bytes; ask in several requests")
    assert num_steps(backend) == before
    assert (await backend.stub.Score(few)).ByteSize() <= LIMIT_BYTES
