"""How an error travels: the status code of a call, and its details as google.rpc has them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from runtime.deadlines import Deadline
from runtime.rpc.message import Context
from tandem.shared.errors import DeadlineExceeded, Internal, InvalidArgument, ResourceExhausted, TandemError


def code_of(error: BaseException | None, deadline: Deadline) -> str:
    """Return the name of the gRPC status code that `error` stands for."""
    if error is None:
        return "OK"
    if isinstance(error, asyncio.CancelledError):
        return DeadlineExceeded.code if deadline.explains_cancellation() else "CANCELLED"
    return error.code if isinstance(error, TandemError) else Internal.code


async def abort(context: Context, error: TandemError, trailers: Iterable[tuple[str, str | bytes]] = ()) -> NoReturn:
    """End the call with the status that `error` stands for, its google.rpc details, and `trailers`."""
    await context.abort(grpc.StatusCode[error.code], str(error), (*status_details(error).items(), *trailers))


def status_details(error: TandemError) -> Mapping[str, bytes]:
    """Return the trailer with what a program may read of `error`: google.rpc.Status; none if there is nothing."""
    detail: Message
    if isinstance(error, ResourceExhausted):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        detail = error_details_pb2.RetryInfo(retry_delay=delay)
    elif isinstance(error, InvalidArgument):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error), reason=error.reason
        )
        detail = error_details_pb2.BadRequest(field_violations=[violation])
    else:
        return {}
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode[error.code].value[0], message=str(error), details=[packed])
    return {"grpc-status-details-bin": status.SerializeToString()}
