"""Mutations of a serialised message byte by byte: what no protobuf library would write. Knows no message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.model_fuzz.bytes_mutation import damage

HUGE_LENGTHS = (b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x07", b"\xff" * 9 + b"\x01", b"\x80" * 10 + b"\x01")
MAX_DEPTH = 20_000


def mutate_bytes(raw: bytes, other: bytes, random: Random) -> bytes:
    """Return `raw` with one to three mutations; `other` is a message to splice it with."""
    for _ in range(random.choice((1, 1, 2, 3))):
        raw = random.choice(MUTATIONS)(raw, other, random)
    return raw


def _damage(raw: bytes, _: bytes, random: Random) -> bytes:
    return damage(raw, random)[0]


def _splice(raw: bytes, other: bytes, random: Random) -> bytes:
    return raw[: random.randrange(len(raw) + 1)] + other[random.randrange(len(other) + 1) :]


def _concatenate(raw: bytes, other: bytes, _: Random) -> bytes:
    return raw + other  # to protobuf: the two merged


def _repeat(raw: bytes, _: bytes, random: Random) -> bytes:
    return raw * random.choice((2, 3, 20))


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
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


MUTATIONS: Sequence[Callable[[bytes, bytes, Random], bytes]] = (
    *(_damage,) * 3,
    _splice,
    _concatenate,
    _repeat,
    _add_unknown_fields,
    _claim_huge_length,
    _nest_groups,
    _nest_messages,
)
