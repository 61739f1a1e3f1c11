"""What traces cost the gateway: CPU a request with tracing off, on but unrecorded, and recorded, in turns.

    python -m benchmarks.tracing [--rounds 5] [--seconds 2]

Microseconds of CPU a request, the median of the rounds and its range, of the Python process, its thread that exports
among it, and of Envoy. An open loop of Sample at a fixed rate, before a backend that answers at once and needs g++ and
nghttp2; the spans go to a receiver in this process, which is not counted. The last line of stdout is JSON, with the
machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from typing import Any

import grpc

from benchmarks.harness.command import parser
from benchmarks.harness.cpu import settled_cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.messages import GAN_MODEL, plan
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.programs import program
from benchmarks.harness.servers import ROOT, Hop, gateway, model_less
from benchmarks.harness.surroundings import surroundings
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import generator
from tandem.measure.scenario import OpenLoop, Scenario
from tandem.measure.workload_text import parse_workload

OFF, UNRECORDED, RECORDED = "off", "unrecorded", "recorded"
REQUESTS_PER_SECOND = 400.0

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_WARM_UP_SECONDS, _SETTLING_SECONDS = 1.0, 8.0


class Receiver(grpc.GenericRpcHandler):
    """Takes what is exported and keeps its size."""

    num_bytes = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        is_export = handler_call_details.method == _EXPORT
        return grpc.unary_unary_rpc_method_handler(self._take) if is_export else None

    def _take(self, request: bytes, _: Any) -> bytes:
        self.num_bytes += len(request)
        return b""


def variables_of(address: str) -> Mapping[str, Mapping[str, str]]:
    """Return what each contender has in its environment."""
    on = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    return {
        OFF: {"OTEL_SDK_DISABLED": "true"},
        UNRECORDED: {**on, "OTEL_TRACES_SAMPLER": "parentbased_always_off"},
        RECORDED: {**on, "OTEL_TRACES_SAMPLER": "parentbased_always_on"},
    }


async def measure(hops: Mapping[str, Hop], rounds: int, seconds: float) -> tuple[Figures, AuditedRuns]:
    """Return what all rounds have measured; who begins changes from round to round."""
    figures, audited_runs = Figures(), AuditedRuns()
    async with AsyncExitStack() as stack:
        sources = {
            name: await stack.enter_async_context(generator(f"127.0.0.1:{hop.port}")) for name, hop in hops.items()
        }
        for source in sources.values():
            await audited_runs.once(source, scenario(_WARM_UP_SECONDS))
        for turn in range(rounds):
            for name in list(hops)[:: 1 if turn % 2 else -1]:
                settled = partial(settled_cpu, hops[name].pid, longest_seconds=_SETTLING_SECONDS)
                run_result = await audited_runs.run(
                    sources[name], name, scenario(seconds), meter=partial(asyncio.to_thread, settled)
                )
                (stream,), (before, after) = run_result.document.streams, run_result.readings
                used = after.since(before)
                figures.add("python_us", name, used.own / stream.outcomes.ok * 1e6)
                figures.add("envoy_us", name, used.descendants / stream.outcomes.ok * 1e6)
    return figures, audited_runs


def scenario(seconds: float) -> Scenario:
    """Return requests for an image each, at a fixed rate."""
    return Scenario(
        workloads=(parse_workload("images", model=GAN_MODEL),),
        load=OpenLoop(rate_per_second=REQUESTS_PER_SECOND),
        duration_seconds=seconds,
        warm_up_seconds=0.0,
        connections_per_process=32,
    )


def main() -> None:
    options = parser(__doc__, rounds=5, seconds=2.0).parse_args()
    receiver, server = Receiver(), grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((receiver,))
    address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with ExitStack() as servers:
        servers.callback(server.stop, 0)
        port = servers.enter_context(model_less(program("backend"), plan(1, 0.0)))
        hops = {
            name: servers.enter_context(gateway(name, ROOT, port, ar=port, variables=variables))
            for name, variables in variables_of(address).items()
        }
        figures, audited_runs = asyncio.run(measure(hops, options.rounds, options.seconds))
    found = figures.spreads()
    title = f"CPU a request; {receiver.num_bytes} bytes of spans received"
    results = {"benchmark": "tracing", "surroundings": surroundings(), "cpu_a_request": found}
    show(spread_table(found, list(hops), title=title), results, audited_runs.summary())


if __name__ == "__main__":
    main()
