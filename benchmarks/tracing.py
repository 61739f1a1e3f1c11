"""What traces cost the gateway: CPU a request with tracing off, on but unrecorded, and recorded, in turns.

    python -m benchmarks.tracing [--out out] [--rounds 5] [--seconds 2]

Writes tracing.json, with the machine: microseconds of CPU a request, the median of the rounds and its range, of the
Python process, its thread that exports among it, and of Envoy. An open loop of Sample at a fixed rate, before a backend
that answers at once; the spans go to a receiver on this machine, in a process that is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc

from benchmarks.harness.clients import SENDER, Client, open_client
from benchmarks.harness.cpu import settled_cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Target, open_loop, poisson
from benchmarks.harness.messages import SAMPLE, sample_requests
from benchmarks.harness.printing import dumped
from benchmarks.harness.servers import ROOT, Backends, Hop, gateway
from benchmarks.hop.document import surroundings
from tandem.measure.formats import number, ranged

OFF, UNRECORDED, RECORDED = "off", "unrecorded", "recorded"
REQUESTS_PER_SECOND = 400.0

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_WARM_UP_SECONDS = 1.0


class Receiver(grpc.GenericRpcHandler):
    """Takes what is exported and keeps its size."""

    def __init__(self) -> None:
        self.num_bytes = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        is_export = handler_call_details.method == _EXPORT
        return grpc.unary_unary_rpc_method_handler(self._take) if is_export else None

    def _take(self, request: bytes, _: Any) -> bytes:
        self.num_bytes += len(request)
        return b""


@contextlib.contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    """Run a receiver; yield it with its address."""
    receiver, server = Receiver(), grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((receiver,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield receiver, f"http://127.0.0.1:{port}"
    finally:
        server.stop(0)


@contextlib.contextmanager
def answering_at_once() -> Iterator[Backends]:
    """Run the backend without models."""
    command = [sys.executable, "-m", "benchmarks.generator.fake_backend"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Backends(port, port)
        finally:
            process.terminate()


def variables_of(address: str) -> Mapping[str, Mapping[str, str]]:
    """Return what each contender has in its environment."""
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    return {
        OFF: {"OTEL_SDK_DISABLED": "true"},
        UNRECORDED: {**on, "OTEL_TRACES_SAMPLER": "parentbased_always_off"},
        RECORDED: {**on, "OTEL_TRACES_SAMPLER": "parentbased_always_on"},
    }


def measure(client: Client, hops: Mapping[str, Hop], rounds: int, seconds: float) -> Figures:
    """Return what all rounds have measured; who begins changes from round to round."""
    figures = Figures()
    for hop in hops.values():
        _load(client, hop, _WARM_UP_SECONDS, seed=0)
    for turn in range(rounds):
        for name in list(hops)[:: 1 if turn % 2 else -1]:
            before = settled_cpu(hops[name].pid)
            count = _load(client, hops[name], seconds, seed=turn)
            used = settled_cpu(hops[name].pid, longest_seconds=8.0).since(before)
            figures.add("python_us", name, used.own / count * 1e6)
            figures.add("envoy_us", name, used.descendants / count * 1e6)
    return figures


def _load(client: Client, hop: Hop, seconds: float, seed: int) -> int:
    target = Target(hop.port, SAMPLE, sample_requests())
    return open_loop(client, target, poisson(REQUESTS_PER_SECOND, seconds, seed)).num_ok


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for tracing.json")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each loop")
    options = parser.parse_args()
    with ExitStack() as servers:
        backends = servers.enter_context(answering_at_once())
        receiver, address = servers.enter_context(receiving())
        hops = {
            name: servers.enter_context(gateway(name, ROOT, backends, variables))
            for name, variables in variables_of(address).items()
        }
        figures = measure(open_client(SENDER), hops, options.rounds, options.seconds)
    spreads = figures.spreads()
    options.out.mkdir(parents=True, exist_ok=True)
    document = {"surroundings": asdict(surroundings(None)), "cpu_a_request": spreads, "received": receiver.num_bytes}
    (options.out / "tracing.json").write_text(dumped(document, indent=2) + "\n")
    for name, found in spreads.items():
        print(name, ", ".join(f"{who} {ranged(figure, number)}" for who, figure in found.items()))
    print("bytes of spans received:", receiver.num_bytes)


if __name__ == "__main__":
    main()
