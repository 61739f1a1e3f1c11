"""Mutations of a serialised message byte by byte: what no protobuf library would write. Knows no message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

HUGE_LENGTHS = (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x07", b"\xff" * 9 + b"\x01", b"\x80" * 10 + b"\x01")
MAX_DEPTH = 20_000


def mutate_bytes(raw: bytes, other: bytes, random: Random) -> bytes:
    """Return `raw` with one to three mutations; `other` is a message to splice it with."""
    for _ in range(random.choice((1, 1, 2, 3))):
        raw = random.choice(MUTATIONS)(raw, other, random)
    return raw


def _flip_bits(raw: bytes, _: bytes, random: Random) -> bytes:
    changed = bytearray(raw or b"\0")
    for _index in range(random.choice((1, 1, 2, 8, 64))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(raw: bytes, _: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)]


def _splice(raw: bytes, other: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)] + other[random.randrange(len(other) + 1) :]


def _concatenate(raw: bytes, other: bytes, _: Random) -> bytes:
    return raw + other  # to protobuf: the two merged


def _repeat(raw: bytes, _: bytes, random: Random) -> bytes:
    return raw * random.choice((2, 3, 20))


def _insert_noise(raw: bytes, _: bytes, random: Random) -> bytes:
    place = random.randrange(len(raw) + 1)
    return raw[:place] + random.randbytes(random.choice((1, 2, 8, 200))) + raw[place:]


def _add_unknown_fields(raw: bytes, _: bytes, random: Random) -> bytes:
    tags = (b"\xfa\x3f\x03abc", b"\xf8\x3f\x01", b"\xf9\x3f" + b"\x01" * 8, b"\xfd\x3f" + b"\x01" * 4)
    return raw + random.choice(tags) * random.choice((1, 100, 5_000))


def _claim_huge_length(raw: bytes, _: bytes, random: Random) -> bytes:
    tag = bytes([random.randrange(1, 16) << 3 | 2])
    return raw + tag + random.choice(HUGE_LENGTHS)


def _nest_groups(raw: bytes, _: bytes, random: Random) -> bytes:
    depth = random.choice((10, 99, 101, MAX_DEPTH))
    return raw + b"\xfb\x3f" * depth + b"\xfc\x3f" * random.choice((depth, 0))


def _nest_messages(raw: bytes, _: bytes, random: Random) -> bytes:
    tag = bytes([random.randrange(1, 16) << 3 | 2])
    nested = raw[:1000]
    for _index in range(random.choice((5, 99, 101, 500))):
        nested = tag + _varint(len(nested)) + nested
    return nested


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


MUTATIONS: Sequence[Callable[[bytes, bytes, Random], bytes]] = (
    _flip_bits,
    _truncate,
    _splice,
    _concatenate,
    _repeat,
    _insert_noise,
    _add_unknown_fields,
    _claim_huge_length,
    _nest_groups,
    _nest_messages,
)
