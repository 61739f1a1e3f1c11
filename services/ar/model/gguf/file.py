"""The header of a GGUF file, read in time and memory bounded by the file's size: metadata, and where tensors lie.

The `gguf` package's own reader believes the counts and lengths that a file states, and makes two objects for each
element of an array; here each is checked against the bytes that are left before anything is read.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.ar.model.fields import shortened
from services.ar.model.gguf.cursor import GgufCursor
from services.ar.model.gguf.tensor import GgufTensor, read_tensors
from tandem.shared.models import ModelError

Value = int | float | bool | str | list[str] | np.ndarray

_MAGIC, _VERSIONS = b"GGUF", (2, 3)
_MAX_VALUES, _MAX_TENSORS = 65_536, 16_384
_VALUE_BYTES, _TENSOR_BYTES = 13, 32  # the shortest there can be of each
_TEXT, _ARRAY = 8, 9
_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True)
class GgufFile:
    """What a file's header says; all of it, tensors included, is within the file."""

    path: Path
    values: dict[str, Value]
    tensors: list[GgufTensor]


def read_gguf(path: Path) -> GgufFile:
    """Return the header of a file. Raises ModelError if the file is damaged."""
    mapped = _mapped(path)
    data = np.zeros(0, np.uint8) if mapped is None else np.frombuffer(mapped, np.uint8)
    cursor = GgufCursor(path, data)
    _check_version(cursor, bytes(data[:4]))
    num_tensors = cursor.count("Q", "the number of tensors", _TENSOR_BYTES, _MAX_TENSORS)
    num_values = cursor.count("Q", "the number of values", _VALUE_BYTES, _MAX_VALUES)
    values = _values(cursor, num_values)
    return GgufFile(path, values, read_tensors(cursor, data, num_tensors, values.get("general.alignment")))


def _mapped(path: Path) -> mmap.mmap | None:
    """Return the file, mapped; None for an empty one, which cannot be. Raises ModelError."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else None
    except OSError as error:
        raise ModelError(f"{path}: {error}") from None


def _check_version(cursor: GgufCursor, magic: bytes) -> None:
    cursor.number("I", "its first four bytes")
    if magic != _MAGIC:
        raise ModelError(f"{cursor.file}: not a GGUF file, or a damaged one (it begins with {magic!r})")
    version = cursor.integer("I", "its version")
    if version not in _VERSIONS:
        raise cursor.error("its version", version, "2 or 3, little-endian")


def _values(cursor: GgufCursor, num_values: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for _ in range(num_values):
        key = cursor.text("a key")
        if key in values:
            raise ModelError(f"{cursor.file}: {shortened(key)} is there twice")
        values[key] = _value(cursor, key[:100])
    return values


def _value(cursor: GgufCursor, key: str) -> Value:
    kind = cursor.integer("I", f"the type of {key}")
    if kind == _TEXT:
        return cursor.text(key)
    if kind != _ARRAY:
        return cursor.number(_code(cursor, kind, key), key)
    kind = cursor.integer("I", f"the type of the elements of {key}")
    return cursor.texts(key) if kind == _TEXT else cursor.numbers(_code(cursor, kind, key), key)


def _code(cursor: GgufCursor, kind: int, key: str) -> str:
    if kind not in _CODES:
        raise cursor.error(f"the type of {key}", kind, "0 to 8 and 10 to 12, or an array (9) of these")
    return _CODES[kind]
