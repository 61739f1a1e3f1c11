"""The compiled backend against grpc's own client: its ready-made answers are what its plan says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from benchmarks.harness.backend import GENERATE, model_less
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import served_pb2

TOKENS, PER_SECOND = 40, 200.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with model_less(TOKENS, PER_SECOND) as port:
        yield port


@pytest.fixture
def channel(port: int) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


def served(call: Any) -> served_pb2.Served:
    return served_pb2.Served.FromString(dict(call.trailing_metadata())["tandem-served-bin"])


def test_a_stream_comes_whole_and_no_faster_than_its_pace(channel: Any) -> None:
    started = time.monotonic()
    call = channel.unary_stream(GENERATE)(b"")
    messages = [ar_pb2.GenerateResponse.FromString(message) for message in call]
    assert time.monotonic() - started >= (TOKENS - 1) / PER_SECOND
    assert [len(message.token_ids) for message in messages] == [1] * TOKENS
    assert served(call).outputs == TOKENS


def test_what_its_plan_does_not_have_is_refused(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/not.Planned/At")(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_callers_who_cancel_leave_the_others_their_streams(channel: Any) -> None:
    stays = channel.unary_stream(GENERATE)(b"")
    next(stays)
    for call in [channel.unary_stream(GENERATE)(b"") for _ in range(20)]:
        next(call)
        call.cancel()
    assert len(list(stays)) == TOKENS - 1
