"""Compressed messages: what they stand for, and those that stand for too much or for nothing."""

import gzip
import tracemalloc
import zlib

import pytest

from runtime.errors import InvalidArgument, MessageTooLarge
from runtime.http2.inflation import inflated

LIMIT = 1 << 20
PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_message_within_the_limit(encoding, size):
    assert inflated(encoding, PACKERS[encoding](bytes(size)), LIMIT) == bytes(size)


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_message_that_stands_for_more_is_refused_and_never_made(encoding):
    bomb = PACKERS[encoding](bytes(256 * LIMIT))
    tracemalloc.start()
    try:
        with pytest.raises(MessageTooLarge):
            inflated(encoding, bomb, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("damage", [lambda raw: raw[:-3], lambda raw: b"\xff" + raw, lambda raw: b""])
def test_what_is_damaged_is_the_caller_s_fault(encoding, damage):
    with pytest.raises(InvalidArgument):
        inflated(encoding, damage(PACKERS[encoding](b"some text")), LIMIT)


def test_an_encoding_that_is_not_known_is_named():
    with pytest.raises(InvalidArgument, match="grpc-encoding: 'zstd'"):
        inflated("zstd", b"", LIMIT)
