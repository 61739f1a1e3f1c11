"""Plain requests for images among the records of calls: see native/quick_calls.cpp, which finds them."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import NamedTuple

from runtime.rpc.caller import Owner

_FOUND = struct.Struct("=QddQ10Ii3I")
# The server gives at most as many calls at a time.
_MOST = 64


class QuickCall(NamedTuple):
    """One request; `record` is where it stands in the buffer."""

    call_id: int
    deadline: float  # monotonic seconds, infinite if there is none
    arrived: float  # at the proxy, seconds since the epoch; 0: not told
    num_images: int  # from 1 on
    seed: int | None
    label: int | None  # of all images
    model: bytes
    owner: Owner
    request_id: str
    record: slice


class QuickCalls:
    """Finds the calls to one path. Used by one thread."""

    def __init__(self, library: ctypes.PyDLL, path: str) -> None:
        self._find = library.tandem_gan_quick_calls
        self._path = path.encode()
        self._found = ctypes.create_string_buffer(_MOST * _FOUND.size)

    def found(self, records: bytes) -> Iterator[QuickCall]:
        """Yield the calls in the order in which they came."""
        count = self._find(records, len(records), self._path, len(self._path), self._found, _MOST)
        if not count:
            return
        for row in _FOUND.iter_unpack(self._found.raw[: count * _FOUND.size]):
            call_id, deadline, arrived, seed, at, size, model, model_size, *rest = row
            caller, caller_size, peer, peer_size, request_id, request_id_size, label, num_images, has_seed, _ = rest
            yield QuickCall(
                call_id,
                deadline,
                arrived,
                num_images,
                seed if has_seed else None,
                label if label >= 0 else None,
                records[model : model + model_size],
                Owner.of(_text(records, caller, caller_size), _text(records, peer, peer_size)),
                _text(records, request_id, request_id_size),
                slice(at, at + size),
            )


def _text(records: bytes, at: int, size: int) -> str:
    return records[at : at + size].decode("latin-1")
