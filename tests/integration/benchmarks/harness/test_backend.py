"""The compiled backend against grpc's own client: its ready-made answers are what the plan says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2

from benchmarks.harness.messages import GENERATE, SAMPLE, SAMPLE_STREAM, plan
from benchmarks.harness.servers import model_less
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import served_pb2
from tandem.gan.v1 import gan_pb2


@contextlib.contextmanager
def _channel(program: Path, tokens: int, per_second: float) -> Iterator[Any]:
    """A channel to the backend with this plan."""
    with (
        model_less(program, plan(tokens, per_second)) as port,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield channel


def _served(call: Any) -> served_pb2.Served:
    return served_pb2.Served.FromString(dict(call.trailing_metadata())["tandem-served-bin"])


def test_a_unary_call_gets_an_image_and_what_was_served(ready_backend: Path) -> None:
    with _channel(ready_backend, 5, 100.0) as channel:
        reply, call = channel.unary_unary(SAMPLE).with_call(b"")
    assert len(gan_pb2.SampleResponse.FromString(reply).images.data) == 784
    assert (_served(call).model, _served(call).outputs) == ("fashion-gan", 1)


def test_a_stream_comes_whole_and_no_faster_than_its_pace(ready_backend: Path) -> None:
    with _channel(ready_backend, 5, 100.0) as channel:
        started = time.monotonic()
        call = channel.unary_stream(GENERATE)(b"")
        messages = [ar_pb2.GenerateResponse.FromString(each) for each in call]
        seconds = time.monotonic() - started
    assert [len(each.token_ids) for each in messages] == [1] * 5
    assert _served(call).outputs == 5
    assert seconds >= 4 / 100


def test_a_stream_without_a_pace_comes_at_once_and_whole(ready_backend: Path) -> None:
    with _channel(ready_backend, 5, 100.0) as channel:
        call = channel.unary_stream(SAMPLE_STREAM)(b"")
        parts = [gan_pb2.SampleStreamResponse.FromString(each).part for each in call]
    assert len(parts) == _served(call).outputs == 64


def test_it_is_healthy_and_refuses_what_its_plan_does_not_have(ready_backend: Path) -> None:
    with _channel(ready_backend, 5, 100.0) as channel:
        health = channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary("/not.Planned/At")(b"")
    assert health_pb2.HealthCheckResponse.FromString(health).status == health_pb2.HealthCheckResponse.SERVING
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_callers_who_cancel_and_go_leave_the_others_their_streams(ready_backend: Path) -> None:
    own = [("grpc.use_local_subchannel_pool", 1)]
    with model_less(ready_backend, plan(40, 200.0)) as port:
        address = f"127.0.0.1:{port}"
        staying: Any = grpc.insecure_channel(address, own)
        stays = staying.unary_stream(GENERATE)(b"")
        next(stays)
        leaving: Any = grpc.insecure_channel(address, own)
        for call in [leaving.unary_stream(GENERATE)(b"") for _ in range(20)]:
            next(call)
            call.cancel()
        leaving.unary_unary("/grpc.health.v1.Health/Check")(b"")  # behind the cancellations on the same connection
        leaving.close()
        assert len(list(stays)) == 39
        staying.close()


def test_calls_take_their_delays_in_turn_and_none_gets_through_a_stall(ready_backend: Path) -> None:
    """Lower bounds alone: what comes on top is the machine's."""
    with _sampling(ready_backend, delays=(0.3, 0.0, 0.2)) as seconds:
        assert [least <= seconds() for least in (0.3, 0.0, 0.2, 0.3)] == [True] * 4
    with _sampling(ready_backend, stall=(3600.0, 0.5)) as seconds:
        first = seconds()
        assert first >= 0.5


@contextlib.contextmanager
def _sampling(program: Path, **law: Any) -> Iterator[Callable[[], float]]:
    """Yield what sends one request and returns the seconds it took."""
    with (
        model_less(program, plan(1, 0.0, **law)) as port,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        call: Any = channel.unary_unary(SAMPLE)

        def seconds() -> float:
            started = time.monotonic()
            call(b"", wait_for_ready=True)
            return time.monotonic() - started

        yield seconds
