"""wrk, a compiled load client for HTTP/1.1, of which the tester speaks OpenAI's API alone. Debian's, unpacked."""

from __future__ import annotations

import math
import os
import resource
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.load import LoadFailed
from benchmarks.parallel.bars import P50
from benchmarks.peers.installing import once, unpack_debian_package
from tandem.measure.generator.priority import go_first

_PACKAGES = ("wrk", "libluajit-5.1-2")
_SCRIPT = """
local bodies, turn = {%s}, 0
request = function()
  turn = turn %% #bodies + 1
  return wrk.format("POST", nil, nil, bodies[turn])
end
done = function(summary, latency)
  local failed = summary.errors
  local num_failed = failed.connect + failed.read + failed.write + failed.status + failed.timeout
  print("\\nfound", summary.requests, summary.duration, num_failed, latency:percentile(50), latency:percentile(99))
end
"""


def install(folder: Path) -> None:
    """Unpack wrk in `folder`, once. Raises CannotSetUp."""

    def unpack(folder: Path) -> None:
        for package in _PACKAGES:
            unpack_debian_package(package, folder, folder / "log")

    once(folder, " ".join(_PACKAGES), unpack)


def run(folder: Path, url: str, bodies: Sequence[bytes], callers: int, seconds: float) -> dict[str, float]:
    """Send the bodies in turn, in closed loop, for whole seconds; return what wrk says of it, with its own CPU time.

    Raises LoadFailed if a request did not end well.
    """
    (libraries,) = folder.glob("usr/lib/*-linux-*")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % ",".join('"' + "".join(f"\\{byte:03d}" for byte in body) + '"' for body in bodies))
        script.flush()
        flags = ("--threads", "1", "--connections", str(callers), "--duration", f"{math.ceil(seconds)}s")
        command = [str(folder / "usr/bin/wrk"), *flags, "--script", script.name, url]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        variables = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as process:
            go_first(process.pid)  # as the tester does
            output, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = [line.split() for line in output.splitlines() if line.startswith("found")]
    if not found:
        raise LoadFailed(f"wrk ended with {process.returncode}: {output.strip()}")
    num_sent, microseconds, num_failed, p50, p99 = (float(word) for word in found[0][1:])
    if num_failed or not num_sent:
        raise LoadFailed(f"{num_failed:.0f} of {num_sent:.0f} requests by HTTP failed")
    figures = {"num_ok": num_sent, "per_second": num_sent / microseconds * 1e6, P50: p50 / 1e3, "p99_ms": p99 / 1e3}
    return {**figures, "client_cpu_ms": used / num_sent * 1e3}
