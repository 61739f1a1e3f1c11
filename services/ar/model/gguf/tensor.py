"""The tensors of a GGUF file as its header states them: name, type, shape and bytes, all checked to be in the file."""

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np

from services.ar.model.fields import Fields, shortened
from services.ar.model.gguf.cursor import GgufCursor
from services.ar.model.gguf.types import BLOCKS, TensorType
from tandem.shared.models import ModelError

_MAX_DIMENSIONS = 4
_ALIGNMENT, _MAX_ALIGNMENT = 32, 65_536


@dataclass(frozen=True)
class GgufTensor:
    """A tensor of a file; `data` [*outputs, bytes of a row] uint8 is a view of the file."""

    name: str
    type: TensorType
    shape: tuple[int, ...]
    """As numpy has it: outputs before inputs."""
    data: np.ndarray
    start: int
    """Where the data begin in the file, in bytes."""


@dataclass(frozen=True)
class _Stated:
    """What the header says of a tensor; `start` is in bytes behind the header."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    start: int
    num_bytes: int
    row_bytes: int


def read_tensors(cursor: GgufCursor, data: np.ndarray, num_tensors: int, alignment: object) -> list[GgufTensor]:
    """Return the tensors whose descriptions follow at `cursor`; `data` is the whole file. Raises ModelError."""
    multiple = _checked_alignment(cursor, alignment)
    stated = [_stated(cursor) for _ in range(num_tensors)]
    first = -(-cursor.offset // multiple) * multiple
    _check_places(cursor, stated, multiple, len(data) - first)
    return [
        GgufTensor(
            each.name,
            each.type,
            each.shape,
            data[first + each.start : first + each.start + each.num_bytes].reshape(*each.shape[:-1], each.row_bytes),
            first + each.start,
        )
        for each in stated
    ]


def _checked_alignment(cursor: GgufCursor, value: object) -> int:
    fields = Fields(cursor.file, {"general.alignment": value})
    alignment = fields.integer("general.alignment", 1, _MAX_ALIGNMENT, _ALIGNMENT)
    if alignment & (alignment - 1):
        raise fields.error("general.alignment", alignment, f"a power of two up to {_MAX_ALIGNMENT:,}")
    return alignment


def _stated(cursor: GgufCursor) -> _Stated:
    name = cursor.text("the name of a tensor")
    what = shortened(name)
    num_dimensions = cursor.integer("I", f"the number of dimensions of {what}")
    if not 1 <= num_dimensions <= _MAX_DIMENSIONS:
        raise cursor.error(f"the number of dimensions of {what}", num_dimensions, f"1 to {_MAX_DIMENSIONS}")
    sizes = [cursor.integer("Q", f"a dimension of {what}") for _ in range(num_dimensions)]
    shape = tuple(reversed(sizes))
    kind = _type(cursor, what)
    block_size, block_bytes = BLOCKS[kind]
    if shape[-1] % block_size or 0 in shape:
        raise cursor.error(f"the shape of {what}", shape, f"rows of a multiple of {block_size}, for {kind.name}")
    row_bytes = shape[-1] // block_size * block_bytes
    start = cursor.integer("Q", f"the offset of {what}")
    return _Stated(name, shape, kind, start, prod(shape[:-1]) * row_bytes, row_bytes)


def _type(cursor: GgufCursor, what: str) -> TensorType:
    number = cursor.integer("I", f"the type of {what}")
    try:
        return TensorType(number)
    except ValueError:
        raise cursor.error(f"the type of {what}", number, "one of GGUF's types") from None


def _check_places(cursor: GgufCursor, stated: list[_Stated], multiple: int, num_bytes: int) -> None:
    """Raises ModelError unless all tensors lie in the `num_bytes` behind the header, aligned, none upon another."""
    if len({each.name for each in stated}) < len(stated):
        raise ModelError(f"{cursor.file}: two tensors have the same name")
    for each in stated:
        if each.start % multiple:
            raise cursor.error(f"the offset of {shortened(each.name)}", each.start, f"a multiple of {multiple}")
        if each.start + each.num_bytes > num_bytes:
            what = f"the end of {shortened(each.name)}, by its shape and offset,"
            raise cursor.error(what, each.start + each.num_bytes, f"at most {max(num_bytes, 0):,}, the bytes of data")
    for one, next_ in pairwise(sorted(stated, key=lambda each: each.start)):
        if one.start + one.num_bytes > next_.start:
            names = f"{shortened(one.name)} and {shortened(next_.name)}"
            raise ModelError(f"{cursor.file}: tensors {names} lie in the same bytes")
