"""The models that a server serves, as it tells of them, and which of them does a given workload."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from tandem.client import AsyncTandemClient
from tandem.client.credentials import Credentials, open_async_channel
from tandem.measure.generator.requests.apis.oip import SERVICE
from tandem.measure.generator.sending.http.endpoint import Endpoint
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Paradigm, Workload
from tandem.oip.grpc_service_pb2 import RepositoryIndexRequest, RepositoryIndexResponse
from tandem.shared.errors import ExpectedError

_SECONDS = 10.0
_NAME_IT = "name one by --model"


async def served_models(address: str, paradigms: Iterable[Paradigm]) -> tuple[ServedModel, ...]:
    """Return the models of these paradigms. Raises TandemRpcError."""
    found: list[ServedModel] = []
    async with AsyncTandemClient(address) as client:
        if "sequential" in paradigms:
            models: Sequence[Any] = await client.list_sequential_models(timeout_seconds=_SECONDS)
            found += [_as_served("sequential", model) for model in models]
        if "parallel" in paradigms:
            models = await client.list_parallel_models(timeout_seconds=_SECONDS)
            found += [_as_served("parallel", model) for model in models]
    return tuple(found)


def _as_served(paradigm: Paradigm, model: Any) -> ServedModel:
    told: dict[str, Any] = {name: value for name in ServedModel.model_fields if (value := getattr(model, name, None))}
    if (runtime := getattr(model, "runtime", None)) and paradigm == "parallel":
        told |= {name: getattr(runtime, name) for name in ("num_instances", "threads_per_instance")}
        told |= {"runtime": runtime.name, "dtype": runtime.precision}
    return ServedModel(**{"modality": "image", **told, "paradigm": paradigm})


def with_model(workload: Workload, models: Sequence[ServedModel]) -> Workload:
    """Return the workload with the name of the model that does it: where none is named, of several image models the
    only one that takes steps, or none, as the workload. Raises ValueError that names those there are.
    """
    modality = "text" if workload.kind == "text" else "image"
    served = [model for model in models if model.paradigm == workload.paradigm and model.modality == modality]
    fitting = [model.name for model in served]
    chosen = [name for name in fitting if workload.model in ("", name)]
    if len(chosen) > 1:
        chosen = [model.name for model in served if bool(model.takes_steps) == (workload.steps is not None)]
    if len(chosen) == 1:
        return workload.model_copy(update={"model": chosen[0]})
    what = f"{workload.paradigm} {modality} model"
    if not fitting:
        raise ExpectedError(f"model: no {what} is served there")
    there_are = f"{what}s there: {', '.join(fitting)}"
    if workload.model:
        raise ExpectedError(f"model: {workload.model!r} is not served; {there_are}")
    raise ExpectedError(f"model: none is named for {workload.kind}; give one of the {there_are}")


def model_of(workload: Workload, models: Sequence[ServedModel]) -> ServedModel:
    """Return the model that a workload names."""
    return next(model for model in models if (model.paradigm, model.name) == (workload.paradigm, workload.model))


async def name_model(address: str, workload: Workload) -> str:
    """Return the model of a workload by another API: where none is named, the only one, or over HTTP the first listed.

    Raises ExpectedError, ConnectionError.
    """
    if workload.model:
        return workload.model
    names = await (asyncio.to_thread(_by_http, address) if workload.is_http else _by_grpc(address))
    if not names:
        raise ExpectedError(f"model: {address} lists none; {_NAME_IT}")
    if not workload.is_http and len(names) > 1:
        raise ExpectedError(f"model: none is named; {_NAME_IT}: {', '.join(names)}")
    return names[0]


def _by_http(address: str) -> list[str]:
    credentials, endpoint = Credentials.from_environment(), Endpoint.of(address)
    request = urllib.request.Request(endpoint.url("models"), headers=dict(credentials.metadata or ()))  # noqa: S310  http or https
    context = endpoint.tls(credentials)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context) as reply:  # noqa: S310  the same
            return [str(model["id"]) for model in json.load(reply)["data"]]
    except urllib.error.HTTPError as error:
        raise ExpectedError(f"{endpoint.url('models')}: HTTP status {error.code}; {_NAME_IT}") from None
    except urllib.error.URLError as error:
        raise ConnectionError(f"no connection to {address}: {error.reason}") from None
    except TimeoutError:
        raise ExpectedError(f"{endpoint.url('models')}: no reply within {_SECONDS:g} s; {_NAME_IT}") from None
    except http.client.HTTPException as error:
        raise ExpectedError(f"{endpoint.url('models')}: no HTTP reply ({type(error).__name__}); {_NAME_IT}") from None
    except (ValueError, KeyError, TypeError):
        raise ExpectedError(f"{endpoint.url('models')}: no list of models as OpenAI's API has it; {_NAME_IT}") from None


async def _by_grpc(address: str) -> list[str]:
    credentials = Credentials.from_environment()
    async with open_async_channel(address, credentials) as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/RepositoryIndex",
            request_serializer=RepositoryIndexRequest.SerializeToString,
            response_deserializer=RepositoryIndexResponse.FromString,
        )
        try:
            reply = await call(RepositoryIndexRequest(ready=True), timeout=_SECONDS, metadata=credentials.metadata)
        except grpc.aio.AioRpcError as error:
            raise ExpectedError(f"{address}: RepositoryIndex: {error.code().name}: {error.details()}") from None
    return [model.name for model in reply.models]
