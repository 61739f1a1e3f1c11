"""Replicas with different models: a request goes to one that has its model, as if one replica had the models of all."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from google.protobuf.message import Message

from gateway.proxy.admin import AdminError
from gateway.proxy.pools import Known, Pools
from runtime.model_worker import ModelWorker
from runtime.rpc.routes import PARALLEL, SEQUENTIAL, Route, all_routes
from services.ar.api.service import ArServicer
from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import NotFound
from tests.integration.gateway.fakes import GENERATE, SAMPLE, SCORE
from tests.integration.gateway.proxy.backend import Backend, aborting, parallel, sequential
from tests.integration.gateway.proxy.running import Ended, Proxy, proxy

ROUTES = [route for route in all_routes() if route.rpc != "ListModels"]
TOKENIZE = "/tandem.ar.v1.AutoregressiveService/Tokenize"
TEXT = {name: ar_pb2.Model(name=name, modality="text") for name in ("text-1", "text-2")}
IMAGE = {name: ar_pb2.Model(name=name, modality="image") for name in ("image-1", "image-2")}
STEPS = {name: ar_pb2.Model(name=name, modality="image", takes_steps=True) for name in ("steps-1", "steps-2")}
MODELS = {**TEXT, **IMAGE, **STEPS}


class Told:
    """A proxy with two replicas of each kind, and the models that it is told each replica has."""

    def __init__(self, running: Proxy, ar: list[Backend], gan: list[Backend]) -> None:
        self.running, self.ar, self.gan = running, ar, gan
        self.pools = Pools(running.sockets.internal)

    async def tell(self, *models: Sequence[str], of: str = SEQUENTIAL, down: Sequence[int] = ()) -> None:
        """Tell which models each replica of a paradigm has, and which of them are down; of the others nothing."""
        backends, model = (self.ar, ar_pb2.Model) if of == SEQUENTIAL else (self.gan, gan_pb2.Model)
        known = [
            Known(of, "" if index in down else backend.target, [MODELS.get(name, model(name=name)) for name in names])
            for index, (backend, names) in enumerate(zip(backends, models, strict=False))
        ]
        await self.pools.tell(known)

    async def asked(self, path: str, request: Message, **options: Any) -> tuple[Backend | None, Ended]:
        """Return which replica had the call, None if none had it, and how it ended."""
        backends = [*self.ar, *self.gan]
        before = [len(each.calls) for each in backends]
        ended = await self.running.call(path, request.SerializeToString(), **options)
        found = [each for each, count in zip(backends, before, strict=True) if len(each.calls) > count]
        return (found[0] if found else None), ended


@pytest.fixture
async def told() -> AsyncIterator[Told]:
    async with contextlib.AsyncExitStack() as stack:
        ar = [await stack.enter_async_context(sequential()) for _ in range(2)]
        gan = [await stack.enter_async_context(parallel()) for _ in range(2)]
        running = await stack.enter_async_context(proxy(ar, gan, workers=2))  # one may be told what the other needs
        await running.until_serving(4)
        here = Told(running, ar, gan)
        yield here
        await here.pools.close()


def request_of(route: Route, model: str) -> Message:
    """Return a request for a model, wherever its message has the name."""
    request = cast(Any, route.request_class())
    inner = {"Complete": "generate", "SampleStream": "sample"}.get(route.rpc)
    (getattr(request, inner) if inner else request).model = model
    return cast(Message, request)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.rpc)
async def test_every_rpc_goes_where_its_model_is(told: Told, route: Route) -> None:
    await told.tell(["a"], ["b", "c"], of=route.paradigm)
    first, second = told.ar if route.paradigm == SEQUENTIAL else told.gan
    for model, expected in {"a": first, "b": second, "c": second}.items():
        for _ in range(3):
            assert (await told.asked(route.path, request_of(route, model)))[0] is expected
    asked, ended = await told.asked(route.path, request_of(route, "nowhere"))
    assert (asked, ended.code, ended.details) == (None, grpc.StatusCode.NOT_FOUND, str(NotFound("nowhere", "abc")))


LARGE = {"images": {"data": bytes(1 << 20)}}
UNNAMED: Sequence[Any] = (
    *(ar_pb2.GenerateRequest(text="a"), ar_pb2.GenerateRequest(text="a", sampling={"steps": 3})),
    *(ar_pb2.GenerateRequest(class_label=0), ar_pb2.GenerateRequest(class_label=1, sampling={"seed": 2, "steps": 3})),
    *(ar_pb2.GenerateRequest(chat={"messages": [{"role": "user"}]}), ar_pb2.GenerateRequest(tokens={"ids": [1]})),
    *(ar_pb2.ScoreRequest(texts={"texts": ["a"]}), ar_pb2.ScoreRequest(tokens={}), ar_pb2.GenerateRequest()),
    *(ar_pb2.ScoreRequest(images=LARGE), ar_pb2.ScoreRequest(images=LARGE, steps=3), ar_pb2.TokenizeRequest()),
)
PATHS = {"GenerateRequest": GENERATE, "ScoreRequest": SCORE, "TokenizeRequest": TOKENIZE}


def chosen(names: Sequence[str], request: Any) -> str | NotFound:
    """Return the model that the service itself chooses for a request without a name, or its error."""
    worker: Any = ModelWorker(Path(), [], cast(Any, None))
    for name in names:
        worker._models[name] = SimpleNamespace(
            name=name, description=MODELS[name], takes_steps=MODELS[name].takes_steps
        )
    service = ArServicer(worker, cast(Any, None))
    if isinstance(request, ar_pb2.GenerateRequest):
        kind, in_steps = request.WhichOneof("prompt"), request.sampling.HasField("steps")
    elif isinstance(request, ar_pb2.ScoreRequest):
        kind, in_steps = request.WhichOneof("content"), request.HasField("steps")
    else:
        kind, in_steps = "text", False
    try:
        return service.model_for("", kind, in_steps).name
    except NotFound as error:
        return error


async def test_without_a_name_it_goes_to_the_model_that_one_service_with_all_of_them_would_choose(told: Told) -> None:
    draw = random.Random(1)
    for _ in range(12):
        names = draw.sample(sorted(MODELS), draw.randint(2, 5))
        cut = draw.randint(1, len(names) - 1)
        has = names[:cut], names[cut:]
        await told.tell(*has)
        for request in UNNAMED:
            asked, ended = await told.asked(PATHS[type(request).__name__], request)
            expected = chosen(names, request)
            if isinstance(expected, NotFound):
                assert (asked, ended.code, ended.details) == (None, grpc.StatusCode.NOT_FOUND, str(expected))
            else:
                assert asked is not None, ended
                assert expected in has[told.ar.index(asked)]


async def test_no_images_without_a_name_where_replicas_differ(told: Told) -> None:
    await told.tell(["a"], ["b"], of=PARALLEL)
    asked, ended = await told.asked(SAMPLE, gan_pb2.SampleRequest())
    assert (asked, ended.code, ended.details) == (None, grpc.StatusCode.NOT_FOUND, "model: name one of: a, b")


async def test_replicas_with_the_same_models_are_not_told_apart(told: Told) -> None:
    await told.tell(["a", "b"], ["b", "a"])
    asked = [await told.asked(SCORE, ar_pb2.ScoreRequest(model="nowhere")) for _ in range(64)]
    assert {backend for backend, _ in asked} == set(told.ar)
    assert not any("tandem-model" in call.headers for backend in told.ar for call in backend.calls)


async def test_a_replica_whose_models_are_not_known_gets_nothing_while_those_of_others_are(told: Told) -> None:
    await told.tell(["a"])
    asked = [await told.asked(SCORE, ar_pb2.ScoreRequest(model="a")) for _ in range(4)]
    assert [backend for backend, _ in asked] == told.ar[:1] * 4
    await told.ar[0].set_serving(False)
    await told.running.until_serving(3)
    assert (await told.asked(SCORE, ar_pb2.ScoreRequest(model="a")))[0] is told.ar[1]


async def test_a_model_that_only_a_replica_had_that_is_down_is_unavailable(told: Told) -> None:
    await told.tell(["a"], ["b"], down=[1])
    asked, ended = await told.asked(SCORE, ar_pb2.ScoreRequest(model="b"))
    assert (asked, ended.code, ended.details) == (None, grpc.StatusCode.UNAVAILABLE, "sequential backend is not ready")
    ended = (await told.asked(SCORE, ar_pb2.ScoreRequest(model="c")))[1]
    assert (ended.code, ended.details) == (grpc.StatusCode.NOT_FOUND, str(NotFound("c", "a")))
    await told.tell(["a"])
    assert (await told.asked(SCORE, ar_pb2.ScoreRequest(model="a")))[0] is told.ar[0]


async def test_what_fails_is_tried_again_where_the_model_is(told: Told) -> None:
    await told.tell(["a"], ["b"])
    told.ar[0].answer = aborting(grpc.StatusCode.UNAVAILABLE, "not now")
    ended = (await told.asked(SCORE, ar_pb2.ScoreRequest(model="a")))[1]
    assert (ended.code, ended.details) == (grpc.StatusCode.UNAVAILABLE, "not now")
    assert [len(backend.calls) for backend in told.ar] == [4, 0]


async def test_what_cannot_be_read_is_left_to_a_replica(told: Told) -> None:
    await told.tell(["a"], ["b"])
    ended = (await told.asked(SCORE, ar_pb2.ScoreRequest(model="a"), compression=grpc.Compression.Gzip))[1]
    assert ended.code is grpc.StatusCode.UNIMPLEMENTED
    draw = random.Random(1)
    for length in range(0, 100, 3):
        ended = await told.running.call(GENERATE, draw.randbytes(length))
        assert ended.code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)


async def test_a_client_cannot_tell(told: Told) -> None:
    await told.tell(["a"], ["b"])
    assert (await told.running.call("/pools", b"sequential\t1.2.3.4:5\tc")).code is grpc.StatusCode.UNIMPLEMENTED
    assert (await told.asked(SCORE, ar_pb2.ScoreRequest(model="b")))[0] is told.ar[1]


async def test_without_the_module_a_difference_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sequential() as ar, proxy([ar]) as running:
        pools = Pools(running.sockets.internal)
        models = [TEXT["text-1"]]
        await pools.tell([Known(SEQUENTIAL, "1.2.3.4:5", models), Known(SEQUENTIAL, "1.2.3.4:6", models)])
        assert not caplog.records
        await pools.tell([Known(SEQUENTIAL, "1.2.3.4:5", models), Known(SEQUENTIAL, "1.2.3.4:6", [])])
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        await running.envoy.stop()
        monkeypatch.setattr("gateway.proxy.pools.TIMEOUT_SECONDS", 0.1)
        with pytest.raises(AdminError):
            await pools.tell([])
        await pools.close()
