"""A closed loop by the compiled client for HTTP/1.1, which is a program of its own."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.harness.run import LoadFailed, Run, Target
from tandem.measure.generator.priority import go_first

_NUM_COLUMNS = 4
_PREFIX = struct.Struct(">BI")
_GRACE_SECONDS = 10.0


def http1_loop(program: Path, target: Target, shape: tuple[float, ...], keep_replies: bool) -> Run:
    """Run the program; `shape`: callers, requests at the most, seconds, and those to drain. Raises LoadFailed."""
    with tempfile.TemporaryDirectory() as folder:
        requests, rows, replies = (Path(folder) / name for name in ("requests", "rows", "replies"))
        requests.write_bytes(b"".join(_PREFIX.pack(0, len(each)) + each for each in target.requests))
        files = (str(requests), str(rows), str(replies) if keep_replies else "-")
        command = [str(program), str(target.port), target.path, *files, *map(str, shape)]
        cpu_seconds, is_real_time = _output(command, sum(shape[2:]) + _GRACE_SECONDS)
        sent, first_message, ended, status = np.fromfile(rows).reshape(-1, _NUM_COLUMNS).T
        found = tuple(unframed(replies.read_bytes())) if keep_replies else ()
    messages = np.isfinite(ended).astype(np.float64)
    return Run(sent, sent, first_message, ended, messages, status, float(cpu_seconds), is_real_time, found)


def _output(command: list[str], longest: float) -> tuple[str, bool]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        is_real_time = False
        with suppress(OSError):  # it has ended already
            is_real_time = go_first(process.pid)
        try:
            output, errors = process.communicate(timeout=longest)
        except subprocess.TimeoutExpired:
            process.kill()
            raise LoadFailed(f"the load client had not ended after {longest:.0f} s") from None
    if process.returncode != 0:
        raise LoadFailed(f"the load client ended with {process.returncode}: {errors.strip()}")
    return output, is_real_time


def unframed(data: bytes) -> Iterator[bytes]:
    """Yield the messages that `data` holds one after another, each behind its prefix as gRPC has it."""
    at = 0
    while at < len(data):
        _, size = _PREFIX.unpack_from(data, at)
        at += _PREFIX.size
        yield data[at : at + size]
        at += size
