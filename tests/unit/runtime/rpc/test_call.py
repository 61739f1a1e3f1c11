"""How a call ends; of one of a callback method, nothing is left for the cycle collector."""

import asyncio
import gc
import math
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest

from runtime.deadlines import Deadline
from runtime.rpc.call import Answer, Call, CallbackCall, Method, open_call
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import ResourceExhausted

SAMPLE = gan_pb2.DESCRIPTOR.services_by_name["GanService"].methods_by_name["Sample"]


class Work:
    """What a call waits for, which knows how to answer it."""

    def __init__(self, call: Call, answer: Answer) -> None:
        self.call, self.answer = call, answer
        self.is_abandoned = False

    def abandon(self) -> None:
        self.is_abandoned = True


class Servicer:
    """Answers at once, refuses at once, or has work."""

    def __init__(self) -> None:
        self.work: Work | None = None

    def sample(self, request: gan_pb2.SampleRequest, call: Call, answer: Answer) -> Callable[[], None]:
        if request.model == "refused":
            raise ResourceExhausted("the queue", 1, 1.0)
        work = Work(call, answer)
        if request.model == "at once":
            answer(gan_pb2.SampleResponse())
        else:
            self.work = work
        return work.abandon


def answer(call: CallbackCall, work: Work) -> None:
    work.answer(gan_pb2.SampleResponse())


def fail(call: CallbackCall, work: Work) -> None:
    work.answer(ResourceExhausted("the queue", 1, 1.0))


def leave(call: CallbackCall, work: Work) -> None:
    call.leave()
    assert work.is_abandoned


def leave_after_the_answer(call: CallbackCall, work: Work) -> None:
    work.answer(gan_pb2.SampleResponse())
    call.leave()
    assert not work.is_abandoned


@pytest.mark.parametrize("end", [answer, fail, leave, leave_after_the_answer])
@pytest.mark.parametrize("model", ["refused", "at once", "later"])
def test_what_has_ended_is_gone(model, end):
    servicer, ended = Servicer(), []
    call = CallbackCall(Method.of(SAMPLE, servicer, None, None), (), Deadline(math.inf), 7, partial(_note, ended))
    watched = weakref.ref(call)
    gc.disable()
    try:
        call.begin(gan_pb2.SampleRequest(model=model).SerializeToString())
        if servicer.work is not None:
            end(call, servicer.work)
        servicer.work = None
        del call
        assert watched() is None
    finally:
        gc.enable()
    assert ended == ([] if (model, end) == ("later", leave) else [7])


def _note(ended: list[int], call_id: int, *_: object) -> None:
    ended.append(call_id)


class Gone:
    """The context of a call whose client goes at the moment in which it is to hear of an error."""

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def time_remaining(self) -> None:
        return None

    async def abort(self, *_: object) -> None:
        raise grpc.aio.InternalError


async def test_an_error_that_its_client_does_not_hear_of_is_none_of_the_server() -> None:
    gone: Any = Gone()
    with pytest.raises(asyncio.CancelledError):
        async with open_call(Method.of(SAMPLE, Servicer(), None, None), gone):
            raise ResourceExhausted("the queue", 1, 1.0)
