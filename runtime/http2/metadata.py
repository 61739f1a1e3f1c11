"""Metadata as the server's thread carries it: key, value, key, value, ..., each ended by a null character.

Values of keys that end in -bin are bytes, in base64 on the wire: see the gRPC protocol over HTTP/2.
"""

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import quote

Entry = tuple[str, str | bytes]

# Printable ASCII but the percent sign; the rest is percent-encoded.
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def decoded(text: bytes) -> tuple[Entry, ...]:
    """Return the entries of a request; a value that is no base64, where it should be, is left out."""
    parts = text.decode("latin-1").split("\0")
    if b"-bin\0" not in text:
        return tuple(zip(parts[0:-1:2], parts[1::2], strict=True))
    entries: list[Entry] = []
    for key, value in zip(parts[0:-1:2], parts[1::2], strict=True):
        if key.endswith("-bin"):
            entries.extend(_decoded_values(key, value))
        else:
            entries.append((key, value))
    return tuple(entries)


def _decoded_values(key: str, text: str) -> Iterable[Entry]:
    for each in text.split(","):
        try:
            yield key, base64.b64decode(each.strip() + "=" * (-len(each.strip()) % 4), validate=True)
        except ValueError:  # binascii.Error is one; text that is not ASCII raises ValueError itself
            continue


def trailers(status: int, message: str, entries: Iterable[Entry] = ()) -> bytes:
    """Return the trailers of a call that ends with a status code of gRPC and a message, and has `entries` besides."""
    text = f"grpc-status\0{status}\0"
    if message:
        text += f"grpc-message\0{quote(message, safe=_PLAIN)}\0"
    for key, value in entries:
        text += f"{key}\0{_encoded(value)}\0"
    return text.encode("latin-1")


def _encoded(value: str | bytes) -> str:
    return value if isinstance(value, str) else binascii.b2a_base64(value, newline=False).decode().rstrip("=")
