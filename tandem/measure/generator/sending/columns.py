"""Which fields of a reply are kept, by their numbers on the wire: looked up in the descriptors before a run.

So nothing is decoded while a load lasts: the sender walks over a reply's bytes and takes only these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from google.protobuf.descriptor import Descriptor, FieldDescriptor


class Form(IntEnum):
    """How a value lies on the wire; native/fields.h has the same numbers. BLOCK: messages, strings, bytes."""

    VARINT = 0
    INTEGER32 = 1
    INTEGER64 = 2
    FLOATING32 = 3
    FLOATING64 = 4
    BLOCK = 5


class Take(IntEnum):
    """What becomes of a field; native/fields.h has the same numbers.

    COUNT: how often it occurs, elements of a packed one each. FIRST: the first value in each message, added up. LAST:
    the last value of all messages, NaN if there is none. BYTES: each occurrence, kept as it is.
    """

    COUNT = 0
    FIRST = 1
    LAST = 2
    BYTES = 3


_FORMS = {
    FieldDescriptor.TYPE_INT32: Form.VARINT,
    FieldDescriptor.TYPE_INT64: Form.VARINT,
    FieldDescriptor.TYPE_UINT32: Form.VARINT,
    FieldDescriptor.TYPE_UINT64: Form.VARINT,
    FieldDescriptor.TYPE_BOOL: Form.VARINT,
    FieldDescriptor.TYPE_ENUM: Form.VARINT,
    FieldDescriptor.TYPE_FIXED32: Form.INTEGER32,
    FieldDescriptor.TYPE_FIXED64: Form.INTEGER64,
    FieldDescriptor.TYPE_FLOAT: Form.FLOATING32,
    FieldDescriptor.TYPE_DOUBLE: Form.FLOATING64,
    FieldDescriptor.TYPE_STRING: Form.BLOCK,
    FieldDescriptor.TYPE_BYTES: Form.BLOCK,
    FieldDescriptor.TYPE_MESSAGE: Form.BLOCK,
}


@dataclass(frozen=True)
class Column:
    """The last of a path of fields, or without any the message itself, and what is taken of it."""

    fields: tuple[FieldDescriptor, ...]
    take: Take

    @property
    def path(self) -> tuple[int, ...]:
        return tuple(field.number for field in self.fields)

    @property
    def forms(self) -> tuple[Form, ...]:
        return tuple(_FORMS[field.type] for field in self.fields)


WHOLE_MESSAGE = Column((), Take.BYTES)


def column(message: Descriptor, path: str, take: Take) -> Column:
    """Return the column of the field at `path`, as `images.shape`. Raises ValueError for one that can't be read."""
    fields = []
    at: Descriptor | None = message
    for name in path.split("."):
        field = at.fields_by_name.get(name) if at is not None else None
        if field is None or field.type not in _FORMS:
            raise ValueError(f"{message.full_name}: {path!r}: there is no field {name!r} that can be read")
        fields.append(field)
        at = field.message_type
    return Column(tuple(fields), take)
