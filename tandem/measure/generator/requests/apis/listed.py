"""The model that a foreign API is asked for, where none is named: the only one, or over HTTP the first listed."""

from __future__ import annotations

import asyncio
import http.client
import json
import urllib.error
import urllib.request

import grpc

from tandem.client.channels import open_async_channel
from tandem.client.credentials import Credentials
from tandem.measure.generator.requests.apis.oip import SERVICE
from tandem.measure.generator.sending.http.endpoint import Endpoint
from tandem.measure.scenario import Workload
from tandem.oip.grpc_service_pb2 import RepositoryIndexRequest, RepositoryIndexResponse
from tandem.shared.errors import ExpectedError

_SECONDS = 10.0
_NAME_IT = "name one by --model"


async def name_model(address: str, workload: Workload) -> Workload:
    """Return a workload by another API with its model's name. Raises ExpectedError, ConnectionError."""
    if workload.model:
        return workload
    names = await (asyncio.to_thread(_by_http, address) if workload.is_http else _by_grpc(address))
    if not names:
        raise ExpectedError(f"model: {address} lists none; {_NAME_IT}")
    if not workload.is_http and len(names) > 1:
        raise ExpectedError(f"model: none is named; {_NAME_IT}: {', '.join(names)}")
    return workload.model_copy(update={"model": names[0]})


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
