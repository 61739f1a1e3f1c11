"""Envoy's question for each request where keys are on: may this caller come in? An envoy.service.auth.v3 server.

The answer carries the identifier that backends are told, or the status that the client gets.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.rpc import code_pb2, status_pb2

from gateway.access.api_keys import bearer
from gateway.access.door import Door
from runtime.caller import CALLER_METADATA
from runtime.errors import Internal, TandemError
from runtime.routes import all_routes
from runtime.rpc import status_details

logger = logging.getLogger(__name__)

SERVICE = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"].full_name
_DETAILS = "grpc-status-details-bin"
# What gRPC leaves as it is in a status message; all else is percent-encoded.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Authorization:
    """Answers as `door` does. An error of its own lets nobody in: Envoy then answers UNAVAILABLE."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._routes = {route.path: route for route in all_routes()}

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for a gRPC server."""
        method = grpc.unary_unary_rpc_method_handler(
            self.check,
            request_deserializer=external_auth_pb2.CheckRequest.FromString,
            response_serializer=external_auth_pb2.CheckResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Check": method})

    async def check(self, request: external_auth_pb2.CheckRequest, _: object) -> external_auth_pb2.CheckResponse:
        """Return whether the request may pass, and as whose; nothing of the key is kept or logged."""
        asked = request.attributes.request.http
        try:
            return _allowed(self._identifier(asked.path, asked.headers.get("authorization")))
        except TandemError as error:
            return _denied(error)
        except Exception:
            logger.exception("authorization failed")
            return _denied(Internal())

    def _identifier(self, path: str, authorization: str | None) -> str:
        secret = bearer([authorization] if authorization is not None else [])
        route = self._routes.get(path)
        # Envoy refuses methods that do not exist afterwards; they cost no budget.
        return (self._door.admit(route, secret) if route else self._door.identify(secret)).identifier


def _allowed(identifier: str) -> external_auth_pb2.CheckResponse:
    return external_auth_pb2.CheckResponse(
        status=status_pb2.Status(code=code_pb2.OK),
        ok_response=external_auth_pb2.OkHttpResponse(headers=_headers([(CALLER_METADATA, identifier)])),
    )


def _denied(error: TandemError) -> external_auth_pb2.CheckResponse:
    code = grpc.StatusCode[error.code].value[0]
    headers = [("grpc-status", str(code)), ("grpc-message", quote(str(error), safe=_PLAIN))]
    if details := status_details(error).get(_DETAILS):
        headers.append((_DETAILS, base64.b64encode(details).decode().rstrip("=")))
    return external_auth_pb2.CheckResponse(
        # Any status but OK denies; the client's own is in the headers.
        status=status_pb2.Status(code=code_pb2.PERMISSION_DENIED),
        denied_response=external_auth_pb2.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=http_status_pb2.Forbidden), headers=_headers(headers)
        ),
    )


def _headers(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    return [
        base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=key, value=value),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        for key, value in pairs
    ]
