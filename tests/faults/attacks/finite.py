"""Whether every number in a reply is finite: a status of OK over NaN is a failure as well."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tandem.common.v1 import images_pb2

_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


def first_not_finite(message: Message, path: str = "") -> str | None:
    """Return the path of a field that holds NaN or inf, raw float32 pixels included; None if there is none."""
    if message.DESCRIPTOR.full_name == images_pb2.ImageBatch.DESCRIPTOR.full_name and not _has_finite_pixels(message):
        return f"{path}data"
    for field, value in message.ListFields():
        if field.cpp_type in _FLOATS and not np.isfinite(value).all():
            return path + field.name
        for inner in _messages(field, value):
            if found := first_not_finite(inner, f"{path}{field.name}."):
                return found
    return None


def _messages(field: FieldDescriptor, value: Any) -> Iterator[Message]:
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return
    yield from value if field.is_repeated else (value,)


def _has_finite_pixels(batch: Any) -> bool:
    if batch.encoding != images_pb2.ENCODING_RAW_FLOAT32 or len(batch.data) != 4 * math.prod(batch.shape):
        return True
    return bool(np.isfinite(np.frombuffer(batch.data, "<f4")).all())
