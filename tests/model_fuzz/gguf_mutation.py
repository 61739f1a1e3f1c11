"""Damage to a GGUF file: to any count, length, type or value of its header, or to plain bytes."""

import struct
from functools import cache
from pathlib import Path
from random import Random

import gguf

from tests.model_fuzz.bytes_mutation import EXTREMES, damage, put

_FLOATS = (0.0, -1.0, float("nan"), float("inf"), 1e-45, 3e38)
_NUMBER_BYTES = (1, 2, 4, 8)
_SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 63, 65, 1_000, 100_000, 1_000_000, 2_000_000_000)


def mutate(source: Path, target: Path, random: Random) -> str:
    """Write `source` to `target` with one to three damages; return what they are."""
    data, done = source.read_bytes(), []
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data, what = _damaged(source, data, random)
        done.append(what)
    target.write_bytes(data)
    return f"{source.name}: {'; '.join(done)}"


def _damaged(source: Path, data: bytes, random: Random) -> tuple[bytes, str]:
    chance = random.random()
    if chance < 0.45:
        return _change_field(source, data, random)
    if chance < 0.6:
        return _change_size(source, data, random)
    return damage(data, random, _header_bytes(source) if chance < 0.9 else None)


def _change_field(source: Path, data: bytes, random: Random) -> tuple[bytes, str]:
    """Damage a part of any field: a length, a name, a type, a count, a value."""
    name = random.choice(sorted(_places(source)))
    places = _places(source)[name]
    numbers = [(at, size) for at, size in places if size in _NUMBER_BYTES]
    at, size = random.choice(numbers if random.random() < 0.8 else places)
    if size in (4, 8) and random.random() < 0.3:
        value = random.choice(_FLOATS)
        return data[:at] + struct.pack("<f" if size == 4 else "<d", value) + data[at + size :], f"{name} is {value}"
    if size in _NUMBER_BYTES:
        number = random.choice((*EXTREMES, random.randrange(13)))
        return put(data, at, size, number), f"{name}: {size} bytes at {at} hold {number}"
    return data[:at] + random.randbytes(size) + data[at + size :], f"{name}: {size} random bytes at {at}"


def _change_size(source: Path, data: bytes, random: Random) -> tuple[bytes, str]:
    """Set a number of the model's shape to another plausible one."""
    name = random.choice([name for name in sorted(_places(source)) if name.startswith("llama.")])
    at, size = _places(source)[name][-1]
    value = random.choice(_SIZES)
    return put(data, at, size, value), f"{name} is {value}"


@cache
def _places(source: Path) -> dict[str, list[tuple[int, int]]]:
    """Return (offset, bytes) of each part of each field and of each tensor's description."""
    reader = gguf.GGUFReader(source)
    fields = [*reader.fields.values(), *(tensor.field for tensor in reader.tensors)]
    places: dict[str, list[tuple[int, int]]] = {}
    for field in fields:
        at = field.offset
        for part in field.parts:
            places.setdefault(field.name, []).append((at, part.nbytes))
            at += part.nbytes
    return places


@cache
def _header_bytes(source: Path) -> int:
    return int(gguf.GGUFReader(source).data_offset)
