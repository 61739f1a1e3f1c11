"""A closed loop by the compiled client for HTTP/1.1, which is a program of its own."""

from __future__ import annotations

import json
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.priority import go_first

_COLUMNS = ("intended", "sent", "first_message", "ended", "messages", "status")
_PREFIX = struct.Struct(">BI")
_GRACE_SECONDS = 10.0


class Http1Run(NamedTuple):
    """`columns` as benchmarks.harness.load.Run has them."""

    columns: dict[str, NDArray[np.float64]]
    cpu_seconds: float
    is_real_time: bool
    replies: tuple[bytes, ...]


def http1_loop(
    program: Path,
    port: int,
    path: str,
    requests: Sequence[bytes],
    shape: tuple[float, ...],
    drain_seconds: float,
    keep_replies: bool,
) -> Http1Run:
    """Run the program; `shape`: connections, callers, requests at the most, seconds. Raises ChildProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        sent, rows, replies = (Path(folder) / name for name in ("requests", "rows", "replies"))
        sent.write_bytes(b"".join(_PREFIX.pack(0, len(each)) + each for each in requests))
        files = (str(sent), str(rows), str(replies) if keep_replies else "-")
        command = [str(program), str(port), path, *files, *map(str, shape), str(drain_seconds)]
        output, is_real_time = _output(command, shape[-1] + drain_seconds + _GRACE_SECONDS)
        table = np.fromfile(rows).reshape(-1, len(_COLUMNS))
        columns = {name: table[:, index] for index, name in enumerate(_COLUMNS)}
        found = tuple(unframed(replies.read_bytes())) if keep_replies else ()
    return Http1Run(columns, json.loads(output)["cpu_seconds"], is_real_time, found)


def _output(command: list[str], longest: float) -> tuple[str, bool]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        is_real_time = _went_first(process.pid)
        try:
            output, errors = process.communicate(timeout=longest)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ChildProcessError(f"the load client had not ended after {longest:.0f} s") from None
    if process.returncode != 0:
        raise ChildProcessError(f"the load client ended with {process.returncode}: {errors.strip()}")
    return output, is_real_time


def _went_first(pid: int) -> bool:
    try:
        return go_first(pid)
    except OSError:  # it has ended already
        return False


def unframed(data: bytes) -> Iterator[bytes]:
    """Yield the messages that `data` holds one after another, each behind its prefix as gRPC has it."""
    at = 0
    while at < len(data):
        _, size = _PREFIX.unpack_from(data, at)
        at += _PREFIX.size
        yield data[at : at + size]
        at += size
