"""What speculative decoding by prompt look-up saves: the same requests with it and without, in turn.

    python bench/bench_speculative.py [--dtype auto] [--tokens 8] [--new-tokens 96] [--rounds 3]

Chat requests of up to so many new tokens, at 1 and at 8 streams. Three kinds: answers that repeat their prompt (repeat
a text, correct its spelling), greedy; free text, greedy, which a small model soon lets go in circles; and free text
drawn at temperature 1, which hardly repeats itself. Tokens/s count new tokens from the first request's start to the
last one's end; the prefix cache is on and knows the prompts, so that this is decoding. Acceptance: share of the drafted
tokens that held. Tokens a step: new tokens of a stream for each step that brought it some. The outputs of the two must
be equal, so it needs a backend that is exact: the native kernel, or float32. The last line of stdout is JSON.
"""

import argparse
import asyncio
import json
import re
import time
import urllib.request
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass

import grpc
from rich.console import Console
from rich.table import Table

from bench.processes import free_port, serving
from bench.spread import shown, spread
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc

MODEL = "smollm2-135m-instruct"
CONCURRENCIES = (1, 8)

TEXTS = (
    "The old clock in the station had two hands, and neither of them agreed with the other. Travellers who came through"
    " in the morning set their watches by the first; those who left in the evening trusted the second.",
    "Lake Ohrid lies between two countries and is one of the oldest lakes in Europe. It is fed by springs under its"
    " surface, holds fish that live nowhere else, and is so clear that one can see twenty metres down.",
    "Bring a litre of water to the boil and add the salt. Put in the pasta, stir once, and let it cook for nine"
    " minutes. Keep a cup of the water, pour off the rest, and mix the pasta with the sauce at once.",
    "The meeting on Tuesday is moved to Thursday at ten. Please send your figures for the third quarter to Ms Okafor by"
    " Wednesday noon, and tell the front desk how many guests you will bring along.",
)
TASKS = ("Repeat the following text, word for word:", "Correct the spelling of the following text:")
TOPICS = (
    "a lighthouse keeper who finds a letter",
    "a market in a town by the sea",
    "why leaves change their colour",
    "a train that never stops",
    "how bread is made",
    "two friends who build a boat",
    "the first day of winter",
    "what a city sounds like at night",
)
REPEATING = [f"{task}\n\n{text}" for text in TEXTS for task in TASKS]
FREE = [f"Write a short text about {topic}." for topic in TOPICS]
KINDS = {"repeats its prompt": (REPEATING, 0.0), "free, greedy": (FREE, 0.0), "free, drawn": (FREE, 1.0)}

Outputs = list[list[int]]


@dataclass(frozen=True)
class Server:
    """A running backend."""

    port: int
    metrics_port: int

    def counted(self) -> tuple[float, float]:
        """Return how many tokens it has drafted and how many of these held; 0 if it does neither."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as response:
            page = response.read().decode()
        return _counter(page, "tandem_drafted_tokens_total"), _counter(page, "tandem_drafted_accepted_tokens_total")


def _counter(page: str, name: str) -> float:
    found = re.search(rf"^{name}{{.*}} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def ask(port: int, prompts: list[str], temperature: float, max_tokens: int) -> tuple[float, Outputs]:
    """Send all prompts at once; return seconds and each one's output."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)

        async def one(seed: int, prompt: str) -> list[int]:
            sampling = ar_pb2.SamplingParams(temperature=temperature, seed=seed, max_tokens=max_tokens)
            request = ar_pb2.GenerateRequest(model=MODEL, sampling=sampling)
            request.chat.messages.add(role="user", content=prompt)
            reply = await stub.Complete(ar_pb2.CompleteRequest(generate=request))
            return list(reply.choices[0].token_ids)

        started = time.perf_counter()
        outputs = await asyncio.gather(*(one(seed, prompt) for seed, prompt in enumerate(prompts)))
        return time.perf_counter() - started, outputs


class Findings:
    """Figures by kind of text and number of streams."""

    def __init__(self) -> None:
        self.rates: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.acceptance: dict[tuple[str, int], float] = {}
        self.tokens_per_step: dict[tuple[str, int], float] = {}

    def compare(self, servers: dict[str, Server], kind: str, streams: int, max_tokens: int) -> None:
        """Measure the two servers once. Raises SystemExit if they do not answer alike."""
        prompts, temperature = KINDS[kind]
        case, outputs = (kind, streams), {}
        for name, server in servers.items():
            before = server.counted()
            seconds, outputs[name] = asyncio.run(ask(server.port, prompts[:streams], temperature, max_tokens))
            drafted, accepted = (now - then for now, then in zip(server.counted(), before, strict=True))
            num_tokens = sum(map(len, outputs[name]))
            self.rates[case][name].append(num_tokens / seconds)
            if name == "with":
                self.acceptance[case] = accepted / drafted if drafted else 0.0
                self.tokens_per_step[case] = num_tokens / (num_tokens - accepted)
        if outputs["with"] != outputs["without"]:
            raise SystemExit(f"{kind}, {streams} streams: the outputs differ")

    def ratio(self, case: tuple[str, int]) -> dict[str, float]:
        rates = self.rates[case]
        return spread([a / b for a, b in zip(rates["with"], rates["without"], strict=True)])


def measure(dtype: str, num_tokens: int, max_tokens: int, rounds: int, console: Console) -> Findings:
    warm_up, found = Findings(), Findings()
    with ExitStack() as stack:
        servers = {}
        for name, speculative_tokens in (("without", 0), ("with", num_tokens)):
            server = servers[name] = Server(free_port(), free_port())
            ports = ("--port", str(server.port), "--metrics-port", str(server.metrics_port))
            flags = ("--models", MODEL, "--dtype", dtype, "--speculative-tokens", str(speculative_tokens))
            stack.enter_context(serving("services.ar", *ports, *flags, port=server.port))
        for number in range(-1, rounds):
            current = found if number >= 0 else warm_up  # not counted, but compared
            servers = dict(reversed(servers.items()))  # who goes first changes from round to round
            for kind in KINDS:
                for streams in CONCURRENCIES:
                    current.compare(servers, kind, streams, max_tokens)
            console.print(f"round {number + 1} of {rounds} done")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tokens", type=int, default=8, help="tokens that a text may try ahead")
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.dtype, options.tokens, options.new_tokens, options.rounds, Console(stderr=True))
    title = f"{MODEL}, {options.dtype}, {options.tokens} speculative tokens: median (min-max)"
    columns = ("text", "streams", "tokens/s without", "tokens/s with", "ratio", "acceptance", "tokens a step")
    table = Table(*columns, title=title)
    cases = []
    for case, rates in found.rates.items():
        figures = {
            "without": spread(rates["without"], 1),
            "with": spread(rates["with"], 1),
            "ratio": found.ratio(case),
            "acceptance": round(found.acceptance[case], 3),
            "tokens_per_step": round(found.tokens_per_step[case], 2),
        }
        cases.append({"text": case[0], "streams": case[1], **figures})
        table.add_row(case[0], str(case[1]), *(shown(v) if isinstance(v, dict) else str(v) for v in figures.values()))
    Console().print(table)
    report = {"benchmark": "speculative", "dtype": options.dtype, "speculative_tokens": options.tokens, "cases": cases}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
