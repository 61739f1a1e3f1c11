"""Envoy's question for each request where keys are on: may this caller come in? An envoy.service.auth.v3 server.

The answer carries the identifier that backends get, or the status that the client gets.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import grpc

from gateway.access.access import Access
from gateway.access.api_keys import bearer
from gateway.envoy import authorization_pb2 as envoy
from runtime.http2.events import trailers
from runtime.rpc.metadata import CALLER_METADATA
from runtime.rpc.routes import all_routes
from runtime.rpc.status import status_details
from tandem.shared.errors import Internal, TandemError, Unauthenticated

logger = logging.getLogger(__name__)

SERVICE = "envoy.service.auth.v3.Authorization"


class Authorization:
    """Answers with the decision of `access`. If it fails, no call is let in: Envoy then answers UNAVAILABLE."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._routes = {route.path: route for route in all_routes()}

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the service for a gRPC server."""
        method = grpc.unary_unary_rpc_method_handler(
            self.check,
            request_deserializer=envoy.CheckRequest.FromString,
            response_serializer=envoy.CheckResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Check": method})

    async def check(self, request: envoy.CheckRequest, _: object) -> envoy.CheckResponse:
        """Return whether the request may pass, and as whose; nothing of the key is kept or logged."""
        asked = request.attributes.request.http
        # gRPC's statuses are in headers; a client of gRPC-Web reads them where HTTP's own says that there is a reply.
        is_grpc = asked.headers.get("content-type", "").startswith("application/grpc")
        denied = HTTPStatus.OK if is_grpc else HTTPStatus.FORBIDDEN
        try:
            headers = _headers({CALLER_METADATA: self._identifier(asked.path, asked.headers.get("authorization"))})
        except TandemError as error:
            return _deny(error, denied)
        except Exception:
            logger.exception("authorization failed")
            return _deny(Internal(), denied)
        return envoy.CheckResponse(
            status=envoy.Status(code=grpc.StatusCode.OK.value[0]), ok_response=envoy.OkHttpResponse(headers=headers)
        )

    def _identifier(self, path: str, authorization: str | None) -> str:
        secret = bearer([authorization] if authorization is not None else [])
        route = self._routes.get(path)
        try:
            identifier = self._access.identify(secret).identifier
        except Unauthenticated:
            if route:
                logger.debug("%s by an unknown caller", route.path)
            raise
        if route:  # Envoy refuses methods that do not exist afterwards; they cost no budget
            self._access.admit_known(route, identifier)
        return identifier


def _deny(error: TandemError, http: HTTPStatus) -> envoy.CheckResponse:
    """Return a denial: any status but OK denies, and the client's own is in the headers."""
    code = grpc.StatusCode[error.code].value[0]
    parts = trailers(code, str(error), status_details(error).items()).decode().split("\0")
    headers = dict(zip(parts[0:-1:2], parts[1::2], strict=True))
    denied = envoy.DeniedHttpResponse(status=envoy.HttpStatus(code=http), headers=_headers(headers))
    return envoy.CheckResponse(
        status=envoy.Status(code=grpc.StatusCode.PERMISSION_DENIED.value[0]), denied_response=denied
    )


def _headers(pairs: dict[str, str]) -> list[Any]:
    action = envoy.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return [
        envoy.HeaderValueOption(header=envoy.HeaderValue(key=key, value=value), append_action=action)
        for key, value in pairs.items()
    ]
