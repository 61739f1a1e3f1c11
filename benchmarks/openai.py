"""A chat's first token, and 32 streams' tokens a second, through OpenAI's API beside gRPC, in turns.

    python -m benchmarks.openai [--out out] [--rounds 3]

Writes openai.json, with the machine: of each figure the median of the rounds and its range, through both, and the ratio
within each round. CPU a token is the gateway's: its Python process, and Envoy. The gRPC client is compiled, the other
one is Python, and both share the machine with what they measure. Needs the language model: `tandem models pull`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness.clients import SENDER, Client, open_client
from benchmarks.harness.cpu import Cpu, settled_cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Target, closed_loop
from benchmarks.harness.messages import GENERATE
from benchmarks.harness.printing import dumped
from benchmarks.harness.processes import free_port, serving
from benchmarks.harness.servers import Hop
from benchmarks.harness.sse import sse_loop
from benchmarks.hop.document import surroundings
from tandem.ar.v1 import ar_pb2
from tandem.measure.formats import number, ranged
from tandem.measure.statistics.quantiles import nearest_rank

MODEL, PATH = "smollm2-135m-instruct", "/v1/chat/completions"
GRPC, OPENAI, RATIO = "grpc", "openai", "ratio"
STREAMS, TOKENS, REQUESTS_OF_STREAMS = 32, 64, 64
FIRST_TOKENS = 60

_QUESTION = "What is the difference between a clock that ticks and one that does not? Number {}."


def messages(max_tokens: int, count: int) -> Sequence[bytes]:
    """Return conversations for gRPC, each with a question and a seed of its own."""
    return [_message(number, max_tokens).SerializeToString() for number in range(count)]


def _message(number: int, max_tokens: int) -> ar_pb2.GenerateRequest:
    turn = ar_pb2.ChatMessage(role="user", content=_QUESTION.format(number))
    sampling = ar_pb2.SamplingParams(seed=number, max_tokens=max_tokens, ignore_eos=True)
    return ar_pb2.GenerateRequest(model=MODEL, chat=ar_pb2.ChatPrompt(messages=[turn]), sampling=sampling)


def bodies(max_tokens: int, count: int) -> Sequence[bytes]:
    """Return the same conversations for OpenAI's API."""
    return [
        json.dumps(
            {
                "model": MODEL,
                "messages": [{"role": "user", "content": _QUESTION.format(number)}],
                "seed": number,
                "max_completion_tokens": max_tokens,
                "ignore_eos": True,
                "stream": True,
            }
        ).encode()
        for number in range(count)
    ]


def first_tokens(client: Client, hop: Hop, figures: Figures, apis: Sequence[str]) -> None:
    """Add the median time to the first token of one caller, in milliseconds, through each."""
    found = {}
    for api in apis:
        if api == GRPC:
            target = Target(hop.port, GENERATE, messages(2, FIRST_TOKENS))
            seconds = closed_loop(client, target, 1, 60.0, most_requests=FIRST_TOKENS).first_seconds
        else:
            seconds = sse_loop(hop.http_port, PATH, bodies(2, FIRST_TOKENS), 1, FIRST_TOKENS).first_seconds
        found[api] = nearest_rank(seconds, 0.5) * 1e3
    _add(figures, "first_token_ms", found)


def streams(client: Client, hop: Hop, figures: Figures, apis: Sequence[str]) -> None:
    """Add tokens a second of all streams together, and the gateway's CPU microseconds a token."""
    rates, python, envoy = {}, {}, {}
    for api in apis:
        before = settled_cpu(hop.pid)
        if api == GRPC:
            target = Target(hop.port, GENERATE, messages(TOKENS, REQUESTS_OF_STREAMS))
            per_second = closed_loop(client, target, STREAMS, 60.0, most_requests=REQUESTS_OF_STREAMS).per_second
        else:
            per_second = sse_loop(
                hop.http_port, PATH, bodies(TOKENS, REQUESTS_OF_STREAMS), STREAMS, REQUESTS_OF_STREAMS
            ).per_second
        rates[api] = per_second * TOKENS
        used: Cpu = settled_cpu(hop.pid).since(before)
        python[api] = used.own * 1e6 / (TOKENS * REQUESTS_OF_STREAMS)
        envoy[api] = used.descendants * 1e6 / (TOKENS * REQUESTS_OF_STREAMS)
    _add(figures, "tokens_per_second", rates)
    _add(figures, "python_us_per_token", python)
    _add(figures, "envoy_us_per_token", envoy)


def _add(figures: Figures, name: str, found: dict[str, float]) -> None:
    for api, value in found.items():
        figures.add(name, api, value)
    figures.add(name, RATIO, found[OPENAI] / found[GRPC] if found[GRPC] else float("nan"))


def measure(client: Client, hop: Hop, rounds: int) -> Figures:
    """Return what all rounds have measured; which begins changes from round to round."""
    figures, warm_up = Figures(), Figures()
    first_tokens(client, hop, warm_up, (GRPC, OPENAI))
    for turn in range(rounds):
        apis = (GRPC, OPENAI) if turn % 2 else (OPENAI, GRPC)
        first_tokens(client, hop, figures, apis)
        streams(client, hop, figures, apis)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for openai.json")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ar, port, http_port = free_port(), free_port(), free_port()
    with ExitStack() as servers:
        own = ("--port", str(ar), "--metrics-port", str(free_port()), "--models", MODEL, "--log-level", "WARNING")
        servers.enter_context(serving("services.ar", *own, "--max-caller-share", "1.0", port=ar))
        targets = (f"--ar-targets=127.0.0.1:{ar}", "--gan-targets=")
        flags = ("--port", str(port), "--http-port", str(http_port), "--log-level", "WARNING", *targets)
        process = servers.enter_context(serving("gateway", *flags, port=port))
        figures = measure(open_client(SENDER), Hop(OPENAI, port, http_port, process.pid), options.rounds)
    options.out.mkdir(parents=True, exist_ok=True)
    spreads = figures.spreads()
    (options.out / "openai.json").write_text(
        dumped({"surroundings": asdict(surroundings(None)), "figures": spreads}, indent=2) + "\n"
    )
    for name, found in spreads.items():
        print(name, ", ".join(f"{who} {ranged(figure, number)}" for who, figure in found.items()))


if __name__ == "__main__":
    main()
