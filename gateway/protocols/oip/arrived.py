"""A request as it arrives over gRPC. A small one is parsed at once; of a large one only what says whose turn it is.

To parse a message costs time with each of its fields, and everybody waits meanwhile. So the fields of a large one are
counted first, and it is parsed once its caller is admitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.http.parsing import MAX_INLINE_BYTES, in_thread_if
from gateway.protocols.oip.models.adapter import Adapter
from runtime.rpc.call import parse
from tandem.oip.grpc_service_pb2 import ModelInferRequest
from tandem.shared.errors import InvalidArgument

MAX_FIELDS = 512
"""Fields of a large request and of its tensors together. A model has at most ten inputs, of six fields each, and takes
about thirty parameters; hundreds of thousands, which fit into 4 MiB, take a second to parse."""

_NAMES = ("model_name", "model_version", "id")
_HEAD = {ModelInferRequest.DESCRIPTOR.fields_by_name[name].number for name in _NAMES}
_TENSORS = {ModelInferRequest.DESCRIPTOR.fields_by_name[name].number for name in ("inputs", "outputs")}
_MAX_VARINT_BITS = 63
_SIZES = {1: 8, 5: 4}  # of values without a length, by wire type


class Arrived(NamedTuple):
    """One request; `head` has at least the model's name and version and the request's id."""

    raw: bytes
    head: ModelInferRequest

    @classmethod
    def of(cls, raw: bytes) -> Arrived:
        """Return the request in `raw`. Raises InvalidArgument if it is malformed or has too many fields."""
        return cls(raw, parse(ModelInferRequest, _head(raw) if len(raw) > MAX_INLINE_BYTES else raw))

    async def read(self, _: Adapter) -> ModelInferRequest:
        """Return the whole request. Raises InvalidArgument if it is malformed."""
        if len(self.raw) <= MAX_INLINE_BYTES:
            return self.head
        return await in_thread_if(True, parse, ModelInferRequest, self.raw)


def _head(raw: bytes) -> bytes:
    """Return the fields of a message that are its head. Raises InvalidArgument."""
    head, count = [], 0
    try:
        for number, start, value, end in _fields(raw):
            parts = 1
            if number in _HEAD:
                head.append(raw[start:end])
            elif number in _TENSORS:
                parts += sum(1 for _ in zip(range(MAX_FIELDS), _fields(raw[value:end]), strict=False))
            if (count := count + parts) > MAX_FIELDS:
                raise InvalidArgument("request", f"more than {MAX_FIELDS} fields", f"up to {MAX_FIELDS}")
    except (IndexError, ValueError):
        accepted = f"a {ModelInferRequest.DESCRIPTOR.full_name} message"
        raise InvalidArgument("request", raw[:16], accepted) from None
    return b"".join(head)


def _fields(raw: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield the fields of a message: the number of each, where it begins, and where its value begins and ends.

    Raises IndexError or ValueError where it is malformed.
    """
    place = 0
    while place < len(raw):
        start = place
        tag, place = _varint(raw, place)
        kind = tag & 7
        if kind == 0:
            end = _varint(raw, place)[1]
        elif kind == 2:
            size, place = _varint(raw, place)
            end = place + size
        elif kind in _SIZES:
            end = place + _SIZES[kind]
        else:
            raise ValueError("a group")
        if end > len(raw):
            raise ValueError("a value that ends behind the message")
        yield tag >> 3, start, place, end
        place = end


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    """Return a number in base 128, the lowest digit first, and where it ends."""
    value = 0
    for shift in range(0, _MAX_VARINT_BITS + 1, 7):
        byte = raw[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of more than 64 bits")
