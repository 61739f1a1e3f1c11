"""Server processes for benchmarks: started on free ports, ready when health says so, ended by pid."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

READY_SECONDS = 120.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(module: str, *flags: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module flags`, wait until it is SERVING on `port`, end it with SIGTERM."""
    process = subprocess.Popen([sys.executable, "-m", module, *flags], stderr=subprocess.DEVNULL)
    try:
        _wait_ready(process, port)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while process.poll() is None and time.monotonic() < deadline:
            try:
                response = health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=1.0)
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                pass
            time.sleep(0.2)
    raise RuntimeError(f"{process.args!r} did not become ready (exit code {process.poll()})")
