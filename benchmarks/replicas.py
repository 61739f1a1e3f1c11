"""What it brings to send prompts that begin alike to one replica: prefix hits, time to the first token, and load.

    python -m benchmarks.replicas [--replicas 2 4] [--rounds 2] [--out out]

In each round the same conversations are held with one replica and with several: `now` as the gateway chooses by
default, `by_load` where it takes the replica with the fewest requests in flight. 64 conversations, each with a
beginning of its own of about 512 tokens, have ten turns; at most 8 requests are in flight. Replicas compute with one
thread each and share this machine's cores, so what is compared is the work that they are spared. `prefix_hits`: the
share of all prompts' tokens that were cached, by the replies' usage; `first_token_seconds`: the median of all turns but
the first, which is a miss anywhere; `most_loaded`: the prompt tokens that the busiest replica has had, over their mean.
Writes replicas.json. Takes about half an hour. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import grpc

from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.command import parser
from benchmarks.harness.figures import NOW, Bar, Figures, Round
from benchmarks.harness.processes import free_port, gateway, serving
from benchmarks.harness.results import are_met, write
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.measure.meters.metrics_page import read

CONVERSATIONS, TURNS, ANSWER_TOKENS, CALLERS = 64, 10, 16, 8
PREFIX_WORDS = 74  # of six letters: about 512 tokens
BY_LOAD = "by_load"


async def converse(stub: ar_pb2_grpc.AutoregressiveServiceStub, number: int, turn_of: asyncio.Semaphore) -> Round:
    """Hold one conversation; return the sums of its usage, and the times of its later first tokens."""
    words = random.Random(number)
    prefix = " ".join("".join(words.choices("abcdefghij", k=6)) for _ in range(PREFIX_WORDS))
    sampling = ar_pb2.SamplingParams(max_tokens=ANSWER_TOKENS, ignore_eos=True, seed=1)
    request = ar_pb2.GenerateRequest(model=TEXT_MODEL, sampling=sampling)
    request.chat.messages.add(role="system", content=prefix)
    firsts: list[float] = []
    prompt = cached = 0
    for turn in range(TURNS):
        request.chat.messages.add(role="user", content=f"Conversation {number} asks question {turn}.")
        answer = ""
        async with turn_of:
            first, began = 0.0, time.monotonic()
            async for message in stub.Generate(request):
                first = first or (time.monotonic() - began if message.token_ids else 0.0)
                answer += message.text_delta
                prompt += message.usage.prompt_tokens
                cached += message.usage.cached_tokens
        if turn:
            firsts.append(first)
        request.chat.messages.add(role="assistant", content=answer or "nothing")
    return {"prompt": prompt, "cached": cached, "first": statistics.median(firsts)}


async def converse_all(port: int) -> Sequence[Round]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)
        turn_of = asyncio.Semaphore(CALLERS)
        return await asyncio.gather(*(converse(stub, number, turn_of) for number in range(CONVERSATIONS)))


def measure_once(replicas: int, how: str) -> Round:
    """Hold all conversations with fresh replicas behind a fresh gateway."""
    with ExitStack() as stack:
        ports, metrics_ports = ([free_port() for _ in range(replicas)] for _ in range(2))
        for port, metrics_port in zip(ports, metrics_ports, strict=True):
            own = ("--port", str(port), "--metrics-port", str(metrics_port), "--models", TEXT_MODEL)
            flags = (*own, "--num-threads", "1", "--kv-cache-tokens", "100000", "--log-level", "WARNING")
            stack.enter_context(serving("services.ar", *flags, port=port))
        by_load = ["--no-prefix-cache"] if how == BY_LOAD else []
        server = stack.enter_context(gateway(ar=ports, flags=by_load))
        found = asyncio.run(converse_all(server.port))
        loads = [read(f"127.0.0.1:{port}").total("tandem_prompt_tokens_total") for port in metrics_ports]
    return {
        f"{replicas}.prefix_hits": sum(one["cached"] for one in found) / sum(one["prompt"] for one in found),
        f"{replicas}.first_token_seconds": statistics.median(one["first"] for one in found),
        f"{replicas}.most_loaded": max(loads) / statistics.mean(loads),
    }


def measure_all(numbers: Sequence[int], how: str, _: int) -> Round:
    return {name: value for n in numbers for name, value in measure_once(n, how).items()}


def compare(numbers: Sequence[int], seen: Mapping[str, Round]) -> Mapping[str, Round]:
    """Return a round's ratios: hits over those of one replica, first tokens over those by load."""
    alone = seen.get("1.prefix_hits", {}).get(NOW)
    ratios: dict[str, Round] = {}
    for n in numbers:
        hits, firsts = seen.get(f"{n}.prefix_hits", {}), seen.get(f"{n}.first_token_seconds", {})
        if alone:
            ratios[f"{n}.hits_to_one"] = {how: share / alone for how, share in hits.items()}
        if NOW in firsts and BY_LOAD in firsts:
            ratios[f"{n}.first_token_to_by_load"] = {NOW: firsts[NOW] / firsts[BY_LOAD]}
    return ratios


def bars(numbers: Sequence[int]) -> Sequence[Bar]:
    """Return what the choice of a replica must reach."""
    return (
        Bar("prefix hits, of one replica's", tuple(f"{n}.hits_to_one" for n in numbers), 0.9, 1.0, "%", is_floor=True),
        Bar(
            "first token at p50, of the time by load",
            tuple(f"{n}.first_token_to_by_load" for n in numbers),
            0.5,
            0.4,
            "x",
        ),
        Bar("the most loaded replica over the mean", tuple(f"{n}.most_loaded" for n in numbers), 1.3, 1.1, "x"),
    )


def main() -> None:
    flags = parser(__doc__, rounds=2, out="replicas")
    flags.add_argument("--replicas", nargs="*", type=int, default=[2, 4])
    options = flags.parse_args()
    figures, numbers = Figures(), options.replicas
    # With one replica there is nothing to choose.
    measures = {NOW: partial(measure_all, (1, *numbers), NOW), BY_LOAD: partial(measure_all, numbers, BY_LOAD)}
    figures.measure_rounds(options.rounds, measures, partial(compare, numbers))
    document = figures.document("replicas", options.rounds, bars=bars(numbers), about={"replicas": numbers})
    write(options.out, "replicas", document)
    sys.exit(0 if are_met(document) else 1)


if __name__ == "__main__":
    main()
