"""Which fields of a reply are kept, by their numbers on the wire: looked up in the descriptors before a run.

So nothing is decoded while a load lasts: the sender walks over a reply's bytes and takes only these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass


class Form(IntEnum):
    """How a value lies on the wire. BLOCK: messages, strings, bytes."""

    VARINT = 0
    FLOATING64 = 1
    BLOCK = 2


class Take(IntEnum):
    """What becomes of a field.

    COUNT: how often it occurs, elements of a packed one each. FIRST: the first value in each message, added up. LAST:
    the last value of all messages, NaN if there is none. BYTES: of a whole message alone, each kept as it is.
    """

    COUNT = 0
    FIRST = 1
    LAST = 2
    BYTES = 3


_TYPES = {
    Form.VARINT: ("INT32", "INT64", "UINT32", "UINT64", "BOOL", "ENUM"),
    Form.FLOATING64: ("DOUBLE",),
    Form.BLOCK: ("STRING", "BYTES", "MESSAGE"),
}
_FORMS = {getattr(FieldDescriptor, f"TYPE_{name}"): form for form, names in _TYPES.items() for name in names}


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


class ColumnReader:
    """What native/fields.h does, in Python. `values` of a call begin as `initial()`; each message adds to them.

    Columns with a path are of one message. `keeps`: whether whole messages are kept.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [(place, column) for place, column in enumerate(columns) if column.fields]
        self._takes = [column.take for column in columns]
        self.keeps = len(self._columns) < len(columns)
        message = next((column.fields[0].containing_type for _, column in self._columns), None)
        self._message: Any = None if message is None else GetMessageClass(message)

    def initial(self) -> list[float]:
        return [float("nan") if take is Take.LAST else 0.0 for take in self._takes]

    def read(self, raw: bytes, values: list[float]) -> None:
        """Add what a message says. Raises DecodeError for bytes that are none."""
        message = self._message and self._message.FromString(raw)
        for place, column in self._columns:
            found = _occurrences(message, column.fields)
            if column.take is Take.COUNT:
                values[place] += len(found)
            elif len(found):
                values[place] = values[place] + found[0] if column.take is Take.FIRST else float(found[-1])


def _occurrences(message: Any, fields: Sequence[FieldDescriptor]) -> Sequence[Any]:
    """Return the values of the field at the end of a path, as many as came; a 0 that need not be sent did not come."""
    field, *below = fields
    value = getattr(message, field.name)
    if field.is_repeated:
        found: Sequence[Any] = value
    else:
        found = [value] if (message.HasField(field.name) if field.has_presence else value) else []
    return [occurrence for part in found for occurrence in _occurrences(part, below)] if below else found
