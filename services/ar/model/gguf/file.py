"""The header of a GGUF file, read in time and memory bounded by the file's size: metadata, and where tensors lie.

The `gguf` package's own reader believes the counts and lengths that a file states, and makes two objects for each
element of an array; here each is checked against the bytes that are left before anything is read.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from services.ar.model.arrays import Array
from services.ar.model.fields import Fields, shorten
from services.ar.model.gguf.blocks import TensorType, tensor_type
from services.ar.model.quantised import Held, StoredTensor
from tandem.shared.models import ModelError

Value = int | float | bool | str | list[str] | np.ndarray

MAX_TEXTS = 4_194_304
"""Texts that the arrays of one header may have in all: tokens and merges of the largest vocabulary, with room."""
_MAGIC, _VERSIONS = b"GGUF", (2, 3)
_MAX_VALUES, _MAX_TENSORS = 65_536, 16_384
_VALUE_BYTES, _TENSOR_BYTES = 13, 32  # the shortest there can be of each
_TEXT, _ARRAY = 8, 9
_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_MAX_DIMENSIONS = 4
_ALIGNMENT, _MAX_ALIGNMENT = 32, 65_536


class GgufCursor:
    """A place in the bytes of a file, which each method moves on. All methods raise ModelError; `what` names a value.

    Numbers are little-endian, as in every file that llama.cpp writes on common machines.
    """

    def __init__(self, file: Path, data: np.ndarray) -> None:
        self.file = file
        self.offset = 0
        self._data = data.data
        self._num_texts = 0

    @property
    def remaining(self) -> int:
        """Bytes from here to the end of the file."""
        return len(self._data) - self.offset

    def error(self, what: str, value: object, accepted: str) -> ModelError:
        return ModelError(f"{self.file}: {what} is {shorten(value)}; accepted: {accepted}")

    def number(self, code: str, what: str) -> int | float | bool:
        """Return a number of `struct`'s format `code`, for example "I"."""
        layout = f"<{code}"
        size = struct.calcsize(layout)
        self._require(size, what)
        (value,) = struct.unpack_from(layout, self._data, self.offset)
        self.offset += size
        return value  # type: ignore[no-any-return]

    def integer(self, code: str, what: str) -> int:
        """Return a whole number of `struct`'s format `code`."""
        return int(self.number(code, what))

    def count(self, code: str, what: str, bytes_each: int, most: int | None = None) -> int:
        """Return how many items of at least `bytes_each` bytes follow: at most `most`, and no more than fit."""
        value = self.integer(code, what)
        fitting = self.remaining // bytes_each
        limit = fitting if most is None else min(fitting, most)
        if value > limit:
            raise self.error(what, value, f"0 to {limit:,}, with {self.remaining:,} bytes of the file left")
        return value

    def text(self, what: str) -> str:
        """Return a text: its length in bytes, then UTF-8."""
        size = self.count("Q", f"the length of {what}", 1)
        start, self.offset = self.offset, self.offset + size
        try:
            return str(self._data[start : self.offset], "utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.file}: {what} is no UTF-8 ({error.reason})") from None

    def texts(self, what: str) -> list[str]:
        """Return an array of texts: their number, then text after text."""
        num_texts = self.count("Q", f"the number of {what}", 8, MAX_TEXTS - self._num_texts)
        self._num_texts += num_texts
        return [self.text(what) for _ in range(num_texts)]

    def numbers(self, code: str, what: str) -> np.ndarray:
        """Return an array of numbers, a view of the file: their number, then one after another; bools as bytes."""
        dtype = np.dtype(f"<{'B' if code == '?' else code}")
        length = self.count("Q", f"the number of {what}", dtype.itemsize)
        values = np.frombuffer(self._data, dtype, length, self.offset)
        self.offset += values.nbytes
        return values

    def _require(self, num_bytes: int, what: str) -> None:
        if num_bytes > self.remaining:
            raise ModelError(f"{self.file}: not a GGUF file, or a damaged one (it ends before {what})")


@dataclass(frozen=True)
class GgufFile:
    """What a file's header says; all of it, tensors included, is within the file."""

    path: Path
    values: dict[str, Value]
    tensors: list[StoredTensor]


def read_gguf(path: Path) -> GgufFile:
    """Return the header of a file. Raises ModelError if the file is damaged."""
    mapped = _map(path)
    data = np.zeros(0, np.uint8) if mapped is None else np.frombuffer(mapped, np.uint8)
    cursor = GgufCursor(path, data)
    _check_version(cursor, bytes(data[:4]))
    num_tensors = cursor.count("Q", "the number of tensors", _TENSOR_BYTES, _MAX_TENSORS)
    num_values = cursor.count("Q", "the number of values", _VALUE_BYTES, _MAX_VALUES)
    values = _values(cursor, num_values)
    return GgufFile(path, values, _tensors(cursor, len(data), num_tensors, values.get("general.alignment")))


def _map(path: Path) -> mmap.mmap | None:
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
            raise ModelError(f"{cursor.file}: {shorten(key)} is there twice")
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


def _tensors(cursor: GgufCursor, num_bytes: int, num_tensors: int, alignment: object) -> list[StoredTensor]:
    """Return the tensors whose descriptions follow; the file has `num_bytes`."""
    multiple = _check_alignment(cursor, alignment)
    tensors = [_tensor(cursor) for _ in range(num_tensors)]
    first = -(-cursor.offset // multiple) * multiple
    _check_places(cursor, tensors, multiple, num_bytes - first)
    return [replace(tensor, start=first + tensor.start) for tensor in tensors]


def _check_alignment(cursor: GgufCursor, value: object) -> int:
    fields = Fields(cursor.file, {"general.alignment": value})
    alignment = fields.integer("general.alignment", 1, _MAX_ALIGNMENT, _ALIGNMENT)
    if alignment & (alignment - 1):
        raise fields.error("general.alignment", alignment, f"a power of two up to {_MAX_ALIGNMENT:,}")
    return alignment


def _tensor(cursor: GgufCursor) -> StoredTensor:
    """Return what the header says of a tensor, its start in bytes behind the header."""
    name = cursor.text("the name of a tensor")
    what = shorten(name)
    num_dimensions = cursor.integer("I", f"the number of dimensions of {what}")
    if not 1 <= num_dimensions <= _MAX_DIMENSIONS:
        raise cursor.error(f"the number of dimensions of {what}", num_dimensions, f"1 to {_MAX_DIMENSIONS}")
    shape = tuple(reversed([cursor.integer("Q", f"a dimension of {what}") for _ in range(num_dimensions)]))
    number = cursor.integer("I", f"the type of {what}")
    type_ = tensor_type(number)
    if type_ is None:
        raise cursor.error(f"the type of {what}", number, "one of GGUF's types")
    if shape[-1] % type_.block_size or 0 in shape:
        raise cursor.error(f"the shape of {what}", shape, f"rows of a multiple of {type_.block_size}, for {type_.name}")
    row_bytes = shape[-1] // type_.block_size * type_.block_bytes
    start = cursor.integer("Q", f"the offset of {what}")
    decode = partial(_decode, cursor.file, name, type_)
    return StoredTensor(cursor.file, name, shape, type_.format, start, row_bytes, decode)


def _decode(file: Path, name: str, type_: TensorType, rows: Array) -> Held:
    try:
        return type_.decode(rows)
    except NotImplementedError:
        raise ModelError(
            f"{file}: {name} is of type {type_.name}, which is not supported; a file of Q4_K_M, Q8_0 or F16 would fit"
        ) from None


def _check_places(cursor: GgufCursor, tensors: list[StoredTensor], multiple: int, num_bytes: int) -> None:
    """Raises ModelError unless all tensors lie in the `num_bytes` behind the header, aligned, none upon another."""
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise ModelError(f"{cursor.file}: two tensors have the same name")
    for tensor in tensors:
        if tensor.start % multiple:
            raise cursor.error(f"the offset of {shorten(tensor.name)}", tensor.start, f"a multiple of {multiple}")
        if (end := tensor.start + tensor.num_bytes) > num_bytes:
            what = f"the end of {shorten(tensor.name)}, by its shape and offset,"
            raise cursor.error(what, end, f"at most {max(num_bytes, 0):,}, the bytes of data")
    for one, next_ in pairwise(sorted(tensors, key=lambda tensor: tensor.start)):
        if one.start + one.num_bytes > next_.start:
            names = f"{shorten(one.name)} and {shorten(next_.name)}"
            raise ModelError(f"{cursor.file}: tensors {names} lie in the same bytes")
