"""Replicas with different models behind one gateway: real ones, by every protocol, and some that come and go."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx

from benchmarks.harness.processes import free_port, serving
from gateway.figures.replicas import Replicas
from gateway.proxy.admin import ProxiedReplica
from runtime.rpc.routes import PARALLEL, SEQUENTIAL
from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.gateway.callers import client_of, error_of
from tests.integration.gateway.fakes import GENERATE, SAMPLE, FakeBackend, FakeSequential
from tests.integration.gateway.proxy.names import names
from tests.integration.gateway.proxy.running import ended
from tests.integration.gateway.running import QUICK, RunningGateway, running_gateway

MODELS = Path(__file__).parents[3] / "models"
LIST_AR, LIST_GAN = GENERATE.replace("Generate", "ListModels"), SAMPLE.replace("Sample", "ListModels")
IMAGES = ("fashion-ar", "fashion-gan", "other-gan")


async def listed(gateway: RunningGateway) -> dict[str, list[str]]:
    """Return the models that each list has: gRPC's, OpenAI's and the repository index."""
    ar = ar_pb2.ListModelsResponse.FromString(await gateway.unary(LIST_AR, b""))
    gan = gan_pb2.ListModelsResponse.FromString(await gateway.unary(LIST_GAN, b""))
    async with client_of(gateway) as http:
        openai = (await http.get("/v1/models")).json()["data"]
        index = (await http.post("/v2/repository/index")).json()
    return {
        "grpc": sorted(model.name for model in (*ar.models, *gan.models)),
        "openai": sorted(model["id"] for model in openai),
        "oip": sorted(model["name"] for model in index),
    }


@asynccontextmanager
async def process(module: str, model: str, port: int, folder: Path = MODELS) -> AsyncIterator[None]:
    """Run a backend that has one model."""
    flags = ("--models", model, "--models-dir", str(folder), "--port", str(port), "--metrics-port", str(free_port()))
    running = serving(module, *flags, port=port)
    await asyncio.to_thread(running.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def ask_everywhere(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    """Ask each model by each protocol; the replicas answer NOT_FOUND to what is not theirs."""
    two_tokens = {"sampling": {"max_tokens": 2}}
    drawn = {"fashion-ar": (GENERATE, {"model": "fashion-ar", "class_label": 1})}
    drawn |= {model: (SAMPLE, {"model": model, "count": 1}) for model in IMAGES[1:]}
    text = {"model": "text-spread", "text": "a", **two_tokens}
    for path, message in ((GENERATE, text), *drawn.values()):
        response = await http.post(path, json=message)
        assert "error" not in response.text, response.text
        request_class = ar_pb2.GenerateRequest if path == GENERATE else gan_pb2.SampleRequest
        assert [reply async for reply in gateway.stream(path, request_class(**message).SerializeToString())]
    of_text = {"model": "text-spread", "prompt": "a", "max_tokens": 2}
    assert (await http.post("/v1/completions", json=of_text)).status_code == 200
    for model in IMAGES:
        response = await http.post("/v1/images/generations", json={"model": model, "prompt": "bag"})
        assert response.status_code == 200, response.text
        label = {"name": "label", "datatype": "INT32", "shape": [1] if model == "fashion-ar" else [1, 1], "data": [1]}
        response = await http.post(f"/v2/models/{model}/infer", json={"inputs": [label]})
        assert response.status_code == 200, response.text


async def test_real_replicas_with_different_models_by_every_protocol(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "fashion-gan", tmp_path / "other-gan")
    ports = [free_port() for _ in range(4)]
    targets = [f"127.0.0.1:{port}" for port in ports]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(process("services.ar", "text-spread", ports[0]))
        await stack.enter_async_context(process("services.gan", "fashion-gan", ports[2]))
        await stack.enter_async_context(process("services.gan", "other-gan", ports[3], tmp_path))
        settings = {"ar_targets": targets[:2], "gan_targets": targets[2:]}
        gateway = await stack.enter_async_context(running_gateway(**settings))  # type: ignore[arg-type]
        http = await stack.enter_async_context(client_of(gateway))
        await gateway.until_replicas_serve(PARALLEL, 2)
        of_images = {"model": "fashion-ar", "class_label": 1}
        error = error_of(await http.post(GENERATE, json=of_images))
        assert error["status"] == "NOT_FOUND"
        assert "text-spread" in error["message"]
        async with process("services.ar", "fashion-ar", ports[1]):  # a new model, without a restart of the gateway
            await gateway.until_replicas_serve(SEQUENTIAL, 2)
            assert await listed(gateway) == dict.fromkeys(("grpc", "openai", "oip"), sorted(("text-spread", *IMAGES)))
            await ask_everywhere(gateway, http)
            for unnamed in ({"class_label": 2}, {"text": "a", "sampling": {"max_tokens": 2}}):
                assert "error" not in (await http.post(GENERATE, json=unnamed)).text
            error = error_of(await http.post(SAMPLE, json={}))
            assert (error["status"], error["message"]) == ("NOT_FOUND", "model: name one of: fashion-gan, other-gan")
        await gateway.until_replicas_serve(SEQUENTIAL, 1)
        left = ["fashion-gan", "other-gan", "text-spread"]
        assert await listed(gateway) == dict.fromkeys(("grpc", "openai", "oip"), left)
        image = {"model": "fashion-ar", "prompt": "bag"}
        for path, message in ((GENERATE, of_images), ("/v1/images/generations", image)):
            response = await http.post(path, json=message)
            assert (response.status_code, "is not ready" in response.text) == (503, True), response.text


class Listed(FakeSequential):
    """Has the models of these names."""

    def __init__(self, *models: str) -> None:
        super().__init__()
        self.models = models

    async def list_models(self, request: Any, call: Any) -> Any:
        return ar_pb2.ListModelsResponse(models=[ar_pb2.Model(name=name, modality="text") for name in self.models])


async def code_of(gateway: RunningGateway, model: str) -> grpc.StatusCode:
    request = ar_pb2.GenerateRequest(model=model, text="a").SerializeToString()
    return (await ended(gateway.stream(GENERATE, request))).code


async def test_replicas_with_a_new_model_come_and_go_with_their_name() -> None:
    async with AsyncExitStack() as stack:
        known, resolver = await stack.enter_async_context(names())
        known.addresses = ["127.0.0.1"]
        first = await stack.enter_async_context(FakeBackend(SEQUENTIAL, Listed("a")))
        second = FakeBackend(SEQUENTIAL, Listed("b"), host="127.0.0.2")
        second.port = first.port
        await stack.enter_async_context(second)
        limits = {**QUICK, "resolvers": resolver}
        gateway = await stack.enter_async_context(running_gateway(ar_targets=[f"ar.test:{first.port}"], limits=limits))
        await gateway.until_replicas_serve(SEQUENTIAL, 1)
        before = second.servicer.num_calls
        assert await code_of(gateway, "a") is grpc.StatusCode.OK
        known.addresses = ["127.0.0.1", "127.0.0.2"]
        await gateway.until_replicas_serve(SEQUENTIAL, 2)
        assert {await code_of(gateway, model) for model in "aabb"} == {grpc.StatusCode.OK}
        assert second.servicer.num_calls == before + 2
        known.addresses = ["127.0.0.1"]
        await gateway.until_replicas_serve(SEQUENTIAL, 1)
        assert [model.name for model in gateway.gateway.replicas.models(SEQUENTIAL)] == ["a"]
        assert second.servicer.num_calls == before + 2


async def test_a_replica_that_comes_back_with_other_models_between_two_polls_is_asked_again() -> None:
    async with FakeBackend(SEQUENTIAL, Listed("a")) as backend:
        known = Replicas({SEQUENTIAL: [backend.target]})
        states = [ProxiedReplica(SEQUENTIAL, backend.target, "", True, 0)]
        await known.update(states)
        assert [model.name for model in known.models(SEQUENTIAL)] == ["a"]
        await backend.stop()
        backend.servicer.models = ("b",)
        await backend.start()
        await known.update(states)
        assert [model.name for model in known.models(SEQUENTIAL)] == ["b"]
        assert known.away("b") == known.away("c") == ""
        await known.update([ProxiedReplica(SEQUENTIAL, backend.target, "", False, 0)])
        assert known.away("b") == f"sequential backend at {backend.target} is not ready"
        await known.close()
