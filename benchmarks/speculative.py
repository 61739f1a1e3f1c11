"""What speculative decoding by prompt look-up saves: the same requests with it and without, in turn.

    python -m benchmarks.speculative [--dtype auto] [--tokens 8] [--new-tokens 96] [--rounds 3]

Chat requests of up to so many new tokens, at 1 and at 8 streams. Three kinds: answers that repeat their prompt (repeat
a text, correct its spelling), greedy; free text, greedy, which a small model soon lets go in circles; and free text
drawn at temperature 1, which hardly repeats itself. Tokens/s count new tokens from the first request's start to the
last one's end; the prefix cache is on and knows the prompts, so that this is decoding. Acceptance: share of the drafted
tokens that held. Tokens a step: new tokens of a stream for each step that brought it some. The outputs of the two must
be equal, so it needs a backend that is exact: the native kernel, or float32. The last line of stdout is JSON.
"""

import argparse
import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from rich.console import Console

from benchmarks.harness.printing import show
from benchmarks.harness.servers import service
from benchmarks.texts_at_once import answered
from tandem.ar.v1 import ar_pb2
from tandem.measure.formats import number
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import Generator, generator
from tandem.measure.meters.metrics_page import Page, read
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.results.value import Value
from tandem.measure.statistics.intervals import over_rounds

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


@dataclass(frozen=True)
class Server:
    """A running backend, and the load generator that asks it."""

    source: Generator
    metrics_port: int

    async def counters(self) -> Page:
        """Return what it has counted."""
        return await asyncio.to_thread(read, f"127.0.0.1:{self.metrics_port}")


def chats(prompts: Sequence[str], temperature: float, max_tokens: int) -> list[ar_pb2.GenerateRequest]:
    """Return a request for the answer to each prompt."""
    requests = []
    for seed, prompt in enumerate(prompts):
        sampling = ar_pb2.SamplingParams(temperature=temperature, seed=seed, max_tokens=max_tokens)
        request = ar_pb2.GenerateRequest(model=MODEL, sampling=sampling)
        request.chat.messages.add(role="user", content=prompt)
        requests.append(request)
    return requests


class Findings:
    """Figures by kind of text and number of streams."""

    def __init__(self) -> None:
        self.rates: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self.acceptance: dict[tuple[str, int], float] = {}
        self.tokens_per_step: dict[tuple[str, int], float] = {}
        self.audited_runs = AuditedRuns()

    async def compare(self, servers: dict[str, Server], kind: str, streams: int, max_tokens: int) -> None:
        """Measure the two servers once. Raises SystemExit if they do not answer alike."""
        prompts, temperature = KINDS[kind]
        case, outputs = (kind, streams), {}
        requests = chats(prompts[:streams], temperature, max_tokens)
        for name, server in servers.items():
            found = await answered(
                server.source,
                self.audited_runs,
                f"{kind}, {streams} streams, {name}",
                requests,
                num_at_a_time=streams,
                meter=server.counters,
            )
            outputs[name] = found.outputs
            num_tokens = sum(map(len, outputs[name]))
            self.rates[case][name].append(num_tokens / found.seconds)
            if name == "with":
                before, after = found.run_result.readings
                counted = after.since(before)
                drafted, accepted = (counted.total(f"tandem_drafted_{each}tokens_total") for each in ("", "accepted_"))
                self.acceptance[case] = accepted / drafted if drafted else 0.0
                self.tokens_per_step[case] = num_tokens / (num_tokens - accepted)
        if outputs["with"] != outputs["without"]:
            raise SystemExit(f"{kind}, {streams} streams: the outputs differ")

    def ratio(self, case: tuple[str, int]) -> Value:
        rates = self.rates[case]
        return over_rounds([a / b for a, b in zip(rates["with"], rates["without"], strict=True)])


async def measure(dtype: str, num_tokens: int, max_tokens: int, rounds: int, console: Console) -> Findings:
    warm_up, found = Findings(), Findings()
    async with AsyncExitStack() as stack:
        servers = {}
        for name, speculative_tokens in (("without", 0), ("with", num_tokens)):
            flags = ("--dtype", dtype, "--speculative-tokens", str(speculative_tokens))
            running = stack.enter_context(service("services.ar", MODEL, *flags))
            source = await stack.enter_async_context(generator(f"127.0.0.1:{running.port}"))
            servers[name] = Server(source, running.metrics_port)
        for number in range(-1, rounds):
            current = found if number >= 0 else warm_up  # not counted, but compared
            servers = dict(reversed(servers.items()))  # who goes first changes from round to round
            for kind in KINDS:
                for streams in CONCURRENCIES:
                    await current.compare(servers, kind, streams, max_tokens)
            console.print(f"round {number + 1} of {rounds} done")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tokens", type=int, default=8, help="tokens that a text may try ahead")
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measuring = measure(options.dtype, options.tokens, options.new_tokens, options.rounds, Console(stderr=True))
    found = asyncio.run(measuring)
    audits = found.audited_runs.summary()
    title = f"{MODEL}, {options.dtype}, {options.tokens} speculative tokens: median (min-max)"
    columns = ("text", "streams", "tokens/s without", "tokens/s with", "ratio", "acceptance", "tokens a step")
    cases, rows = [], []
    for (text, streams), rates in found.rates.items():
        case = text, streams
        values = {
            "without": over_rounds(rates["without"]),
            "with": over_rounds(rates["with"]),
            "ratio": found.ratio(case),
        }
        singles = {"acceptance": found.acceptance[case], "tokens_per_step": found.tokens_per_step[case]}
        cases.append({"text": text, "streams": streams, **values, **singles})
        cells = [value_cell(each, number) for each in values.values()]
        rows.append(Row((text, str(streams), *cells, *(number(each) for each in singles.values()))))
    report = {"benchmark": "speculative", "dtype": options.dtype, "speculative_tokens": options.tokens, "cases": cases}
    show(Table(columns, rows, title), report, audits)


if __name__ == "__main__":
    main()
