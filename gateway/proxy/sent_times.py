"""When replies went out, as the module in Envoy notes it beside the log: native/socket_clock.cpp has the other side."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry

MODULE = "tandem"
CLOCK = "clock"
"""The metadata of an entry: when the head and the end of the reply arrived, nanoseconds since 1970, and a number."""

_PLACES = 1 << 19  # 8 MiB; more than the entries that can wait to be read
_PLACE = struct.Struct("=Qq")
_BILLION = 1_000_000_000


class SentTimes:
    """A ring of places, one for each entry by its number, in a file that Envoy writes."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        with path.open("rb") as file:
            self._places = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @staticmethod
    def make(path: Path) -> None:
        """Make an empty file; its blocks are taken as they are used."""
        with path.open("wb") as file:
            file.truncate(_PLACES * _PLACE.size)

    def put_into(self, raw: HTTPAccessLogEntry) -> None:
        """Put the time at which the kernel had the reply into an entry, which has that of the reply's end in Envoy."""
        common = raw.common_properties
        metadata = common.metadata.filter_metadata
        if MODULE not in metadata or not common.HasField("time_to_last_downstream_tx_byte"):
            return
        number = int(metadata[MODULE].fields[CLOCK].string_value.rpartition(" ")[2])
        noted, sent = _PLACE.unpack_from(self._places, number % _PLACES * _PLACE.size)
        start, last = common.start_time, common.time_to_last_downstream_tx_byte
        after = sent - start.seconds * _BILLION - start.nanos
        # A reader that stalls has not taken the reply yet; then its end in Envoy has to do.
        if noted == number and after > last.seconds * _BILLION + last.nanos:
            last.seconds, last.nanos = divmod(after, _BILLION)
