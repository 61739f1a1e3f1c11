"""What models say of their tensors: element types, by their names in the protocol, and shapes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tandem.oip import model_config_pb2

_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Datatype:
    """`code` is that of the module struct, empty for elements of any length; `contents` the field of typed elements."""

    name: str
    code: str
    contents: str
    config_type: int

    @property
    def element_bytes(self) -> int:
        """Bytes of one element; 0 for elements of any length."""
        return struct.calcsize(self.code) if self.code else 0

    def pack(self, values: Sequence[Any]) -> bytes:
        """Return elements as they stand in raw contents: little-endian, texts behind their length in four bytes."""
        if self.code:
            return struct.pack(f"<{len(values)}{self.code}", *values)
        return b"".join(part for value in values for part in (len(value).to_bytes(_LENGTH_BYTES, "little"), value))

    def unpack(self, raw: bytes, count: int) -> Sequence[Any]:
        """Return the elements of raw contents. Raises ValueError if they are not `count`; looks at no more of them."""
        if not self.code:
            return _texts(raw, count)
        if len(raw) != count * self.element_bytes:
            raise ValueError(f"{len(raw)} bytes")
        return struct.unpack(f"<{count}{self.code}", raw)


def _texts(raw: bytes, count: int) -> Sequence[bytes]:
    texts: list[bytes] = []
    start = 0
    while start < len(raw) and len(texts) < count:
        begin = start + _LENGTH_BYTES
        start = begin + int.from_bytes(raw[start:begin], "little")
        texts.append(raw[begin:start])
    if start != len(raw) or len(texts) != count:
        raise ValueError(f"{len(raw)} bytes")
    return texts


BOOL = Datatype("BOOL", "?", "bool_contents", model_config_pb2.TYPE_BOOL)
UINT8 = Datatype("UINT8", "B", "uint_contents", model_config_pb2.TYPE_UINT8)
INT32 = Datatype("INT32", "i", "int_contents", model_config_pb2.TYPE_INT32)
UINT32 = Datatype("UINT32", "I", "uint_contents", model_config_pb2.TYPE_UINT32)
UINT64 = Datatype("UINT64", "Q", "uint64_contents", model_config_pb2.TYPE_UINT64)
FP32 = Datatype("FP32", "f", "fp32_contents", model_config_pb2.TYPE_FP32)
BYTES = Datatype("BYTES", "", "bytes_contents", model_config_pb2.TYPE_STRING)


@dataclass(frozen=True)
class Spec:
    """`dims` are without the batch, -1 for any size; `is_optional` is of inputs alone."""

    name: str
    datatype: Datatype
    dims: tuple[int, ...]
    is_optional: bool = False

    def shape(self, is_batched: bool) -> list[int]:
        """Return the shape as metadata have it: the first dimension is the batch, if there is one."""
        return [-1, *self.dims] if is_batched else list(self.dims)

    def rows(self, shape: Sequence[int], is_batched: bool) -> int | None:
        """Return how many rows of the batch a tensor of this shape has, 1 without batches; None if it does not fit.

        One value, or one a row, may leave out the dimension of size 1.
        """
        if is_batched and shape and shape[0] > 0 and self._fits(shape[1:]):
            return shape[0]
        return None if is_batched or not self._fits(shape) else 1

    def _fits(self, shape: Sequence[int]) -> bool:
        if self.dims == (1,):
            return all(size == 1 for size in shape)
        return len(shape) == len(self.dims) and all(
            size >= 0 and wanted in (-1, size) for size, wanted in zip(shape, self.dims, strict=True)
        )
