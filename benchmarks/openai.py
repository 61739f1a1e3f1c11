"""A chat's first token, and 32 streams' tokens a second, through OpenAI's API beside gRPC, in turns.

    python -m benchmarks.openai [--out out] [--rounds 3]

Writes openai.json, with the machine: of each figure the median of the rounds and its range, through both, and the ratio
within each round. CPU a token is the gateway's: its Python process, and Envoy. Both are asked by the load generator,
which has a compiled sender for gRPC alone, and shares the machine with what it measures. Needs the language model:
`tandem models pull`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.harness.cpu import settled_cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.printing import tell
from benchmarks.harness.scenarios import closed
from benchmarks.harness.servers import ROOT, Backends, Hop, gateway, service
from benchmarks.harness.surroundings import surroundings
from tandem.ar.v1 import ar_pb2
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.generator.run import RunResult
from tandem.measure.scenario import Api, Scenario
from tandem.measure.workload_text import parse_workload

MODEL = "smollm2-135m-instruct"
GRPC, OPENAI, RATIO = "grpc", "openai", "ratio"
APIS: dict[str, Api] = {GRPC: "tandem", OPENAI: "openai-chat"}
STREAMS, TOKENS, REQUESTS_OF_STREAMS = 32, 64, 64
FIRST_TOKENS = 60

_QUESTION = "What is the difference between a clock that ticks and one that does not? Number {}."


def requests(api: str, max_tokens: int, count: int) -> Sequence[bytes]:
    """Return the same conversations for either API, each with a question and a seed of its own."""
    make = _message if api == GRPC else _body
    return [make(number, max_tokens) for number in range(count)]


def _message(number: int, max_tokens: int) -> bytes:
    turn = ar_pb2.ChatMessage(role="user", content=_QUESTION.format(number))
    sampling = ar_pb2.SamplingParams(seed=number, max_tokens=max_tokens, ignore_eos=True)
    request = ar_pb2.GenerateRequest(model=MODEL, chat=ar_pb2.ChatPrompt(messages=[turn]), sampling=sampling)
    return request.SerializeToString()


def _body(number: int, max_tokens: int) -> bytes:
    return json.dumps(
        {
            "model": MODEL,
            "messages": [{"role": "user", "content": _QUESTION.format(number)}],
            "seed": number,
            "max_completion_tokens": max_tokens,
            "ignore_eos": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()


class Bench:
    """One gateway, asked through both APIs; `sources` send to it."""

    def __init__(self, hop: Hop, sources: dict[str, Generator]) -> None:
        self._hop = hop
        self._sources = sources
        self.audited_runs = AuditedRuns()
        self.figures = Figures()

    async def measure(self, rounds: int) -> None:
        """Measure all rounds; which begins changes from round to round."""
        for api in APIS:
            await self.audited_runs.once(
                self._sources[api], _scenario(api, 1, FIRST_TOKENS), requests=[requests(api, 2, FIRST_TOKENS)]
            )
        for turn in range(rounds):
            apis = (GRPC, OPENAI) if turn % 2 else (OPENAI, GRPC)
            await self._first_tokens(apis)
            await self._streams(apis)

    async def _first_tokens(self, apis: Sequence[str]) -> None:
        """Add the median time to the first token of one caller, in milliseconds, through each."""
        found = {}
        for api in apis:
            (stream,) = (await self._run(api, 1, 2, FIRST_TOKENS)).document.streams
            found[api] = (stream.first_output.seconds.p50 or float("nan")) * 1e3
        self._add("first_token_ms", found)

    async def _streams(self, apis: Sequence[str]) -> None:
        """Add tokens a second of all streams together, and the gateway's CPU microseconds a token."""
        rates, python, envoy = {}, {}, {}
        for api in apis:
            run_result = await self._run(api, STREAMS, TOKENS, REQUESTS_OF_STREAMS)
            (stream,), (before, after) = run_result.document.streams, run_result.readings
            used = after.since(before)
            rates[api] = stream.rates.outputs
            python[api] = used.own * 1e6 / stream.num_outputs
            envoy[api] = used.descendants * 1e6 / stream.num_outputs
        self._add("tokens_per_second", rates)
        self._add("python_us_per_token", python)
        self._add("envoy_us_per_token", envoy)

    async def _run(self, api: str, callers: int, max_tokens: int, count: int) -> RunResult:
        run_result = await self.audited_runs.run(
            self._sources[api],
            f"{api}, {callers} callers",
            _scenario(api, callers, count),
            requests=[requests(api, max_tokens, count)],
            meter=lambda: asyncio.to_thread(settled_cpu, self._hop.pid),
        )
        if run_result.document.problems:
            raise RuntimeError("; ".join(run_result.document.problems))
        return run_result

    def _add(self, name: str, found: dict[str, float]) -> None:
        for api, value in found.items():
            self.figures.add(name, api, value)
        self.figures.add(name, RATIO, found[OPENAI] / found[GRPC] if found[GRPC] else float("nan"))


def _scenario(api: str, callers: int, num_requests: int) -> Scenario:
    return closed(parse_workload("text", APIS[api], MODEL), callers, num_requests=num_requests)


async def measured(rounds: int) -> Bench:
    """Start the servers and return what was measured of them."""
    async with AsyncExitStack() as stack:
        ar = stack.enter_context(service("services.ar", MODEL, "--max-caller-share", "1.0"))
        hop = stack.enter_context(gateway(OPENAI, ROOT, Backends(ar.port, None)))
        ports = {GRPC: hop.port, OPENAI: hop.http_port}
        sources = {api: await stack.enter_async_context(generator(f"127.0.0.1:{each}")) for api, each in ports.items()}
        bench = Bench(hop, sources)
        await bench.measure(rounds)
        return bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for openai.json")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    bench = asyncio.run(measured(options.rounds))
    document = {"surroundings": surroundings(), "figures": bench.figures.spreads()}
    tell(options.out, "openai", document, "figures", bench.audited_runs.summary())


if __name__ == "__main__":
    main()
