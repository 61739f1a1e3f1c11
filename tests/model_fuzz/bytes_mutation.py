"""Damage to plain bytes, whatever they mean."""

from collections.abc import Callable
from random import Random

EXTREMES = (0, 1, 3, 2**7, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**60, 2**63, 2**64 - 1)


def damage(data: bytes, random: Random, most: int | None = None) -> tuple[bytes, str]:
    """Return the bytes with one random damage within the first `most`, and what it is."""
    at = random.randrange(max(1, min(len(data), most or len(data))))
    return random.choice(_DAMAGES)(data, at, random)


def _flip(data: bytes, at: int, random: Random) -> tuple[bytes, str]:
    changed = bytearray(data)
    places = [min(len(data) - 1, max(0, at + random.randint(-64, 64))) for _ in range(random.choice((1, 2, 8)))]
    for place in places if data else ():
        changed[place] ^= 1 << random.randrange(8)
    return bytes(changed), f"bits of bytes {places}"


def _overwrite(data: bytes, at: int, random: Random) -> tuple[bytes, str]:
    size, value = random.choice((1, 2, 4, 8)), random.choice(EXTREMES)
    return put(data, at, size, value), f"{size} bytes at {at} hold {value}"


def _truncate(data: bytes, at: int, random: Random) -> tuple[bytes, str]:
    return data[:at], f"cut at {at}"


def _insert(data: bytes, at: int, random: Random) -> tuple[bytes, str]:
    junk = random.randbytes(random.choice((1, 8, 100, 10_000)))
    return data[:at] + junk + data[at:], f"{len(junk)} random bytes at {at}"


def _remove(data: bytes, at: int, random: Random) -> tuple[bytes, str]:
    size = random.choice((1, 4, 8, 100, 1000))
    return data[:at] + data[at + size :], f"{size} bytes gone at {at}"


def _repeat(data: bytes, at: int, random: Random) -> tuple[bytes, str]:
    size = random.choice((8, 64, 1000))
    return data[: at + size] + data[at:], f"{size} bytes twice at {at}"


def put(data: bytes, at: int, size: int, value: int) -> bytes:
    """Return the bytes with `size` of them at `at` holding `value`, little-endian and cut to fit."""
    return data[:at] + (value % 2 ** (8 * size)).to_bytes(size, "little") + data[at + size :]


_DAMAGES: tuple[Callable[[bytes, int, Random], tuple[bytes, str]], ...] = (
    _flip,
    _overwrite,
    _truncate,
    _insert,
    _remove,
    _repeat,
)
