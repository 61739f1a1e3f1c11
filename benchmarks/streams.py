"""What streams of text see of the kernel's pace: alone, sampled, and beside the parallel service at half its capacity.

    python -m benchmarks.streams [--rounds 3] [--before COMMIT] [--seconds 5]

For 1, 8 and 32 streams of 128 tokens: the kernel's own step, the gap between messages over it, and the rate with
temperature .7 and top_p .9 over that of greedy streams. Then the share of its rate that one stream keeps while images
are drawn at half the rate that the parallel service reaches, and the images' p99 alone and beside the stream. With
--before, a server of an earlier commit of this repository takes turns with that of this tree. The last line of stdout
is JSON. Needs g++ and nghttp2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.clients import SENDER, Client, open_client
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Run, Target, closed_loop, open_loop, poisson
from benchmarks.harness.messages import GAN_MODEL, GENERATE, SAMPLE, sample_requests
from benchmarks.harness.printing import show
from benchmarks.harness.processes import free_port, serving
from benchmarks.harness.servers import NOW, ROOT, earlier_tree
from benchmarks.step import MODEL, decodes, open_forward, seconds_of
from runtime.models import ModelRepository
from services.ar.model.weights import open_checkpoint
from tandem.ar.v1 import ar_pb2
from tandem.measure.formats import number
from tandem.measure.report.tables.table import Row, Table, value_cell

STREAMS = (1, 8, 32)
PROMPT_TOKENS, NEW_TOKENS = 64, 128  # 128 tokens of context on average, as `decodes` has
NUM_CALLERS = 32
BEFORE, KERNEL = "before", "kernel"
GREEDY, SAMPLED = ar_pb2.SamplingParams(temperature=0.0), ar_pb2.SamplingParams(temperature=0.7, top_p=0.9)


@dataclass(frozen=True)
class Server:
    name: str
    port: int


def text_requests(sampling: ar_pb2.SamplingParams) -> Sequence[bytes]:
    """Return requests with prompts of their own, so that none finds another one's in the cache."""
    requests = []
    for seed in range(64):
        params = ar_pb2.SamplingParams(max_tokens=NEW_TOKENS, ignore_eos=True, seed=seed)
        params.MergeFrom(sampling)
        ids = [(7 * place + 131 * seed) % 40_000 for place in range(PROMPT_TOKENS)]
        request = ar_pb2.GenerateRequest(model=MODEL, tokens=ar_pb2.TokenPrompt(ids=ids), sampling=params)
        requests.append(request.SerializeToString())
    return requests


@contextmanager
def texts(name: str, tree: Path) -> Iterator[Server]:
    port = free_port()
    flags = ("--port", str(port), "--metrics-port", str(free_port()), "--models", MODEL, "--no-prefix-cache")
    with serving("services.ar", *flags, "--log-level", "WARNING", port=port, cwd=tree, variables=_first(tree)):
        yield Server(name, port)


@contextmanager
def images() -> Iterator[Server]:
    port = free_port()
    flags = ("--port", str(port), "--metrics-port", str(free_port()), "--models", GAN_MODEL)
    with serving("services.gan", *flags, "--log-level", "WARNING", port=port, cwd=ROOT):
        yield Server(GAN_MODEL, port)


def _first(tree: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(tree)}


def streams(
    client: Client, server: Server, count: int, seconds: float, sampling: ar_pb2.SamplingParams = GREEDY
) -> Run:
    target = Target(server.port, GENERATE, text_requests(sampling))
    return closed_loop(client, target, count, seconds)


def gap_seconds(run: Run) -> float:
    """Return the median, over requests, of the mean gap between messages."""
    spans = (run.ended - run.first_message) / np.maximum(run.messages - 1, 1)
    return float(np.median(spans[run.is_ok]))


def kernel_seconds() -> dict[int, float]:
    """Return the kernel's own step by number of sequences, in this process and tree."""
    checkpoint = open_checkpoint(ModelRepository(ROOT / "models").get(MODEL).transformer_path())
    forward = open_forward(checkpoint, "native-int4")
    with torch.inference_mode():
        return {count: seconds_of(forward, [decodes(count)]) for count in STREAMS}


def measure_pace(client: Client, server: Server, steps: dict[int, float], seconds: float, figures: Figures) -> None:
    streams(client, server, 1, 1.0)  # the first requests find cold caches
    for count in STREAMS:
        greedy = gap_seconds(streams(client, server, count, seconds))
        sampled = gap_seconds(streams(client, server, count, seconds, SAMPLED))
        figures.add(f"gap_{count}_ms", server.name, 1e3 * greedy)
        figures.add(f"gap_over_step_{count}", server.name, greedy / steps[count])
        figures.add(f"sampled_over_greedy_{count}", server.name, greedy / sampled)


def measure_company(client: Client, server: Server, drawn: Server, seconds: float, figures: Figures) -> None:
    """Measure one stream alone, images alone at half of what they reach, and both together."""
    target = Target(drawn.port, SAMPLE, sample_requests())
    rate = closed_loop(client, target, NUM_CALLERS, seconds / 2).per_second / 2
    alone = gap_seconds(streams(client, server, 1, seconds))
    starts = poisson(rate, seconds + 1.0, seed=1)
    quiet = open_loop(client, target, starts)
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(open_loop, client, target, starts)
        beside = gap_seconds(streams(client, server, 1, seconds))
        disturbed = loaded.result()
    figures.add("alone_tokens_per_second", server.name, 1 / alone)
    figures.add("beside_tokens_per_second", server.name, 1 / beside)
    figures.add("share_kept", server.name, alone / beside)
    figures.add("images_per_second", server.name, rate)
    figures.add("images_p99_alone_ms", server.name, 1e3 * quiet.quantile(0.99))
    figures.add("images_p99_beside_ms", server.name, 1e3 * disturbed.quantile(0.99))


def measure(before: str | None, rounds: int, seconds: float) -> Figures:
    client, figures = open_client(SENDER), Figures()
    with ExitStack() as stack:
        tree = stack.enter_context(earlier_tree(before)) if before else None
        trees = {NOW: ROOT} | ({BEFORE: tree} if tree else {})
        for done in range(rounds):
            steps = kernel_seconds()
            for count, step in steps.items():
                figures.add(f"step_{count}_ms", KERNEL, 1e3 * step)
            for name, each in trees.items():  # one at a time, so that they do not share the cores
                with texts(name, each) as server:
                    measure_pace(client, server, steps, seconds, figures)
                    with images() as drawn:
                        measure_company(client, server, drawn, seconds, figures)
            print(f"round {done + 1} of {rounds} done", file=sys.stderr)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", help="a commit, whose server is measured too")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    found = measure(options.before, options.rounds, options.seconds).spreads()
    whos = [KERNEL, NOW, *([BEFORE] if options.before else [])]
    rows = [
        Row((name, *(value_cell(each[who], number) if who in each else "" for who in whos)))
        for name, each in found.items()
    ]
    table = Table(("figure", *whos), rows, f"{MODEL}: median (min-max) of {options.rounds} rounds")
    show(table, {"benchmark": "streams", "figures": found})


if __name__ == "__main__":
    main()
