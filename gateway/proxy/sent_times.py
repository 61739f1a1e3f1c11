"""When replies went out, as the module in Envoy notes it beside the log: native/socket_clock.cpp has the other side."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from gateway.envoy.access_log_pb2 import HTTPAccessLogEntry

MODULE = "tandem"
CLOCK = "clock"
"""The metadata of an entry: when the head and the end of the reply arrived, nanoseconds since 1970, and a number."""

_PLACES = 1 << 19  # 12 MiB; more than the entries that can wait to be read
_PLACE = struct.Struct("=Qqq")
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
        """Put the times at which the kernel had a reply's first and last byte into an entry, which has Envoy's own."""
        common = raw.common_properties
        metadata = common.metadata.filter_metadata
        if MODULE not in metadata:
            return
        number = int(metadata[MODULE].fields[CLOCK].string_value.rpartition(" ")[2])
        noted, first, last = _PLACE.unpack_from(self._places, number % _PLACES * _PLACE.size)
        if noted != number or not number:
            return
        start = common.start_time.seconds * _BILLION + common.start_time.nanos
        if common.HasField("time_to_first_downstream_tx_byte"):
            _lengthen(common.time_to_first_downstream_tx_byte, first - start)
        # A reader that stalls has not taken the end of the reply yet; then its end in Envoy has to do.
        if common.HasField("time_to_last_downstream_tx_byte"):
            _lengthen(common.time_to_last_downstream_tx_byte, last - start)


def _lengthen(duration: Duration, nanoseconds: int) -> None:
    if nanoseconds > duration.seconds * _BILLION + duration.nanos:
        duration.seconds, duration.nanos = divmod(nanoseconds, _BILLION)
