"""What the columns of a route take of a message that is there as a whole; native/fields.h reads one in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from tandem.measure.generator.sending.columns import Column, Take


class Malformed(ValueError):
    """Bytes that are no protobuf message."""


class ColumnReader:
    """`values` of a call begin as `initial()`; each message adds to them. Columns with a path are of one message."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        message = next((each.fields[0].containing_type for each in columns if each.fields), None)
        self._message: Any = None if message is None else GetMessageClass(message)

    def initial(self) -> list[float]:
        return [float("nan") if each.take is Take.LAST else 0.0 for each in self._columns]

    def read(self, raw: bytes, values: list[float]) -> list[tuple[int, bytes]]:
        """Add what a message says; return the columns and bytes of what is kept whole. Raises Malformed."""
        message, kept = self._parsed(raw), []
        for place, each in enumerate(self._columns):
            if not each.fields:
                kept.append((place, raw))
                continue
            found = _occurrences(message, each.fields)
            if each.take is Take.COUNT:
                values[place] += len(found)
            elif len(found):
                values[place] = values[place] + found[0] if each.take is Take.FIRST else float(found[-1])
        return kept

    def _parsed(self, raw: bytes) -> Any:
        try:
            return self._message and self._message.FromString(raw)
        except DecodeError as error:
            raise Malformed(str(error)) from None


def _occurrences(message: Any, fields: Sequence[FieldDescriptor]) -> Sequence[Any]:
    """Return the values of the field at the end of a path, as many as came; a 0 that need not be sent did not come."""
    field, *below = fields
    value = getattr(message, field.name)
    if field.is_repeated:
        found: Sequence[Any] = value
    else:
        found = [value] if (message.HasField(field.name) if field.has_presence else value) else []
    return [each for part in found for each in _occurrences(part, below)] if below else found
