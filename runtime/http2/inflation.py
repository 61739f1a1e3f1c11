"""Compressed messages, inflated within bounds: a megabyte can stand for a gigabyte, which is never made."""

import zlib

from runtime.errors import InvalidArgument, MessageTooLarge

_WINDOW_BITS = {"gzip": 31, "deflate": 15}


def inflated(encoding: str, raw: bytes, max_bytes: int) -> bytes:
    """Return the message that `raw` stands for. Raises InvalidArgument, MessageTooLarge."""
    if encoding not in _WINDOW_BITS:
        raise InvalidArgument("grpc-encoding", encoding, " or ".join(_WINDOW_BITS))
    inflater = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        message = inflater.decompress(raw, max_bytes + 1)
    except zlib.error:
        raise InvalidArgument("request", raw[:16], f"a message in {encoding}") from None
    if len(message) > max_bytes:
        raise MessageTooLarge(len(message), max_bytes)
    if not inflater.eof:
        raise InvalidArgument("request", raw[:16], f"a message in {encoding}")
    return message
