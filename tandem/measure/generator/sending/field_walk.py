"""The walk over a reply's fields in Python: what native/fields.h does, for a message that is there as a whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tandem.measure.generator.sending.columns import Column, Form, Take

_SIZES = {Form.INTEGER32: 4, Form.FLOATING32: 4, Form.INTEGER64: 8, Form.FLOATING64: 8}
_FORMATS = {Form.INTEGER32: "<I", Form.FLOATING32: "<f", Form.INTEGER64: "<Q", Form.FLOATING64: "<d"}
_MAX_DEPTH = 32


class Malformed(ValueError):
    """Bytes that are no protobuf message."""


@dataclass
class _Field:
    form: Form = Form.BLOCK
    columns: dict[Take, int] = field(default_factory=dict)
    children: dict[int, _Field] = field(default_factory=dict)


class FieldWalk:
    """`values` of a call begin as `initial()`; each message adds to them."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._root = _Field()
        self._takes = [each.take for each in columns]
        for place, each in enumerate(columns):
            at = self._root
            for number, form in zip(each.path, each.forms, strict=True):
                at = at.children.setdefault(number, _Field(form))
            at.columns[each.take] = place

    def initial(self) -> list[float]:
        return [float("nan") if take is Take.LAST else 0.0 for take in self._takes]

    def read(self, message: bytes, values: list[float]) -> list[tuple[int, bytes]]:
        """Add what a message says; return the columns and bytes of what is kept whole. Raises Malformed."""
        kept: list[tuple[int, bytes]] = []
        if self._takes:
            self._block(self._root, message, values, kept, set(), 0)
        return kept

    def _block(
        self, at: _Field, raw: bytes, values: list[float], kept: list[tuple[int, bytes]], seen: set[int], depth: int
    ) -> None:
        if Take.BYTES in at.columns:
            kept.append((at.columns[Take.BYTES], raw))
        if not at.children or depth == _MAX_DEPTH:
            return
        for number, wire, found in _fields(raw):
            child = at.children.get(number)
            if child is None:
                continue
            if isinstance(found, bytes) and child.form is Form.BLOCK and wire == 2:
                self._number(child, None, values, seen)
                self._block(child, found, values, kept, seen, depth + 1)
            else:
                for value in _numbers(child.form, wire, found):
                    self._number(child, value, values, seen)

    @staticmethod
    def _number(at: _Field, value: float | None, values: list[float], seen: set[int]) -> None:
        if (place := at.columns.get(Take.COUNT)) is not None:
            values[place] += 1
        if value is None:
            return
        if (place := at.columns.get(Take.LAST)) is not None:
            values[place] = value
        if (place := at.columns.get(Take.FIRST)) is not None and place not in seen:
            seen.add(place)
            values[place] += value


def _fields(raw: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and content of each field: a varint as int, else the bytes."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if number == 0 or tag >> 32 or wire not in (0, 1, 2, 5):
            raise Malformed(f"tag {tag}")
        if wire == 0:
            value, at = _varint(raw, at)
            yield number, wire, value
            continue
        size = {1: 8, 5: 4}.get(wire, 0)
        if wire == 2:
            size, at = _varint(raw, at)
        if size > len(raw) - at:
            raise Malformed("a field reaches out of its message")
        yield number, wire, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at == len(raw):
            raise Malformed("a number that does not end")
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), at
    raise Malformed("a number of more than ten bytes")


def _numbers(form: Form, wire: int, found: int | bytes) -> Iterator[float]:
    """Yield the values of a field of numbers, one or packed; none if it is of another type than it should be."""
    if isinstance(found, int):
        if form is Form.VARINT:
            yield _signed(found)
    elif form is Form.VARINT and wire == 2:
        at = 0
        while at < len(found):
            value, at = _varint(found, at)
            yield _signed(value)
    elif form in _SIZES and (wire == 2 or len(found) == _SIZES[form]):
        if len(found) % _SIZES[form]:
            raise Malformed("packed numbers that do not fill their field")
        yield from (float(value) for (value,) in struct.iter_unpack(_FORMATS[form], found))


def _signed(value: int) -> float:
    return float(value - 2**64 if value >= 2**63 else value)
