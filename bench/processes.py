"""Server processes for benchmarks: started on free ports, ready when health says so, ended by pid."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

READY_SECONDS = 120.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(module: str, *flags: str, port: int, cwd: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module flags` in `cwd`, wait until it is SERVING on `port`, end it with SIGTERM."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-m", module, *flags], stderr=log, cwd=cwd)
        try:
            if not _becomes_ready(process, port):
                log.seek(0)
                raise RuntimeError(f"{module} did not become ready:\n{log.read().decode()[-2000:]}")
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def matched_pair() -> Iterator[str]:
    """Run both backends, with one model of the matched pair each, and the gateway; yield the gateway's address."""
    ar, gan, door = free_port(), free_port(), free_port()
    targets = ("--ar-targets", f"127.0.0.1:{ar}", "--gan-targets", f"127.0.0.1:{gan}")
    with (
        serving("services.ar", *_at(ar), "--metrics-port", str(free_port()), "--models", "fashion-ar", port=ar),
        serving("services.gan", *_at(gan), "--metrics-port", str(free_port()), "--models", "fashion-gan", port=gan),
        serving("gateway", *_at(door), "--http-port", str(free_port()), *targets, port=door),
    ):
        yield f"127.0.0.1:{door}"


def _at(port: int) -> tuple[str, str]:
    return "--port", str(port)


def _becomes_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(grpc.RpcError):  # it does not listen yet
                response = health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=1.0)
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
            time.sleep(0.2)
    return False
