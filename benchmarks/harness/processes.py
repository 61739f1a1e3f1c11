"""Server processes for benchmarks: started on free ports, ready when health says so, ended by pid."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tandem.cli.servers.ports import free_ports

ROOT = Path(__file__).parents[2]
READY_SECONDS = 400.0  # of the slowest peer
END_SECONDS = 30.0
# A server that starts refuses connections until it listens. gRPC itself tries again after a second only.
TRY_AGAIN_SOON = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 100))


@dataclass(frozen=True)
class Service:
    """A server that runs: its ports on 127.0.0.1, and the processes that lead all of its processes."""

    port: int
    pids: tuple[int, ...]
    http_port: int = 0


def free_port() -> int:
    """Return a port that was free a moment ago, another one each time."""
    return free_ports(1)[0]


@contextmanager
def service(module: str, model: str, *flags: str) -> Iterator[Service]:
    """Run a backend of this tree with one model."""
    port = free_port()
    ports = ("--port", str(port), "--metrics-port", str(free_port()))
    with serving(module, *ports, "--models", model, "--log-level", "WARNING", *flags, port=port) as process:
        yield Service(port, (process.pid,))


@contextmanager
def gateway(*gan: int, ar: Sequence[int] = (), flags: Sequence[str] = ()) -> Iterator[Service]:
    """Run the gateway. `gan` and `ar`: the ports of the parallel and of the sequential backend's replicas."""
    port, http_port = free_port(), free_port()
    targets = (f"--{kind}-targets={_addresses(ports)}" for kind, ports in (("ar", ar), ("gan", gan)))
    own = ("--port", str(port), "--http-port", str(http_port), "--log-level", "WARNING")
    with serving("gateway", *own, *targets, *flags, port=port) as process:
        yield Service(port, (process.pid,), http_port)


def run_tandem(*words: str) -> None:
    """Run a command of `tandem`. Where it ends with 1 something is wrong, and stands in its document."""
    subprocess.run([sys.executable, "-m", "tandem.cli", *words], cwd=ROOT, check=False)


def _addresses(ports: Sequence[int]) -> str:
    return ",".join(f"127.0.0.1:{port}" for port in ports)


@contextmanager
def serving(module: str, *flags: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module flags`, wait until it is SERVING on `port`, end it with SIGTERM."""
    with running([sys.executable, "-m", module, *flags], lambda: is_serving(port)) as process:
        yield process


@contextmanager
def running(command: Sequence[str], is_ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in the folder of this tree, wait until it is ready, end it with SIGTERM.

    What it has started ends with it. Raises RuntimeError, with the end of what it said, if it does not become ready.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        try:
            if not _becomes_ready(process, is_ready):
                log.seek(0)
                raise RuntimeError(f"{' '.join(command[:3])} did not become ready:\n{log.read().decode()[-2000:]}")
            yield process
        finally:
            _end(process)


def _becomes_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready():
            return True
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    descendants = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        why = f"process {process.pid} was killed: it had not ended {END_SECONDS:g} s after SIGTERM"
        raise RuntimeError(why) from None
    finally:
        _, left = psutil.wait_procs(descendants, timeout=5)
        for descendant in left:
            descendant.kill()
        psutil.wait_procs(left, timeout=5)


def is_serving(port: int) -> bool:
    """Return whether a server on this port of this machine says that it is SERVING."""
    with (
        grpc.insecure_channel(f"127.0.0.1:{port}", options=TRY_AGAIN_SOON) as channel,
        suppress(grpc.RpcError),  # it does not listen yet
    ):
        request = health_pb2.HealthCheckRequest()
        response = health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True, timeout=1.0)
        return bool(response.status == health_pb2.HealthCheckResponse.SERVING)
    return False


def peak_mebibytes(pid: int) -> float:
    """Return the most memory that was ever resident of a process and those it has started, by the kernel's own count;
    nothing of one that has ended.
    """
    found = 0.0
    with suppress(psutil.NoSuchProcess):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            with suppress(FileNotFoundError, ProcessLookupError):
                for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        found += int(line.split()[1]) / 1024
    return found
