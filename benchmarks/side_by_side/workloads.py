"""The workloads that every engine does, the figures that come of them, and ours as an engine among the others.

All prompts are passages of held text, new ones each time, the same for every engine of a round.
"""

import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np

from benchmarks.harness.load import LoadFailed, LoadTester
from benchmarks.harness.processes import free_port, is_serving
from benchmarks.peers.engine import Dialect, Engine, Need
from tandem.ar.v1 import ar_pb2
from tandem.measure.scenario import ClosedLoop
from tandem.measure.statistics.quantiles import nearest_rank
from tandem.measure.workload_text import parse_workload

NUM_PROMPT_TOKENS = 64
_DRAIN_SECONDS = 300.0

Passages = Callable[[int], list[int]]  # from a number of tokens to a passage of that length


@dataclass(frozen=True)
class Workload:
    """`num_at_a_time` prompts of one length are open at once; each gets the same number of new tokens. `need`: what a
    server must hold.
    """

    num_prompts: int
    num_at_a_time: int
    prompt_tokens: int
    new_tokens: int
    need: Need


WORKLOADS = {
    "decode_1": Workload(3, 1, NUM_PROMPT_TOKENS, 128, Need(1, 256)),
    "decode_8": Workload(8, 8, NUM_PROMPT_TOKENS, 128, Need(8, 256)),
    "decode_32": Workload(32, 32, NUM_PROMPT_TOKENS, 128, Need(32, 256)),
    "prefill": Workload(3, 1, 1024, 1, Need(1, 2048)),
}


def measure(tester: LoadTester, name: str, dialect: Dialect, workload: Workload, passage: Passages) -> dict[str, float]:
    """Do a workload once; rates of decoding count new tokens, with their prompts' time included.

    Raises LoadFailed if an output has another length.
    """
    prompts = [passage(workload.prompt_tokens) for _ in range(workload.num_prompts)]
    run = tester.run(
        name,
        parse_workload("text", dialect.api, dialect.model),
        ClosedLoop(concurrency=workload.num_at_a_time),
        [dialect.request(prompt, workload.new_tokens) for prompt in prompts],
        num_requests=len(prompts),
        drain_seconds=_DRAIN_SECONDS,
    )
    counts = {int(row["num_outputs"]) if row["is_counted"] else 0 for row in run.rows}
    if counts != {workload.new_tokens}:
        raise LoadFailed(f"{sorted(counts)} tokens where {workload.new_tokens} were asked for")
    (process,) = run.found.document.audit.processes
    is_decoding = workload.new_tokens > 1
    num_tokens = workload.num_prompts * (workload.new_tokens if is_decoding else workload.prompt_tokens)
    seconds = float(run.rows["ended"].max() - run.rows["sent"].min())
    found = {"tokens_per_second": num_tokens / seconds, "client_cores": process.cpu_share}
    if is_decoding:
        messages = run.found.record.messages  # of one request next to each other and in order
        gaps = np.diff(messages["at"])[np.diff(messages["number"]) == 0]
        first_tokens = run.rows["first_output"] - run.rows["sent"]
        found["first_token_seconds_p50"] = nearest_rank(first_tokens, 0.5)
        found |= {f"gap_seconds_{rank}": nearest_rank(gaps, share) for rank, share in (("p50", 0.5), ("p99", 0.99))}
    return found


def tandem(model: str, dtype: str, *flags: str) -> Engine:
    """Return ours: the sequential backend's own process, asked over gRPC; one server for all needs."""

    def request(prompt: list[int], num_tokens: int) -> bytes:
        sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=num_tokens, ignore_eos=True)
        tokens = ar_pb2.TokenPrompt(ids=prompt)
        return ar_pb2.GenerateRequest(model=model, tokens=tokens, sampling=sampling).SerializeToString()

    def tokens(messages: Sequence[bytes]) -> list[int]:
        return [token for message in messages for token in ar_pb2.GenerateResponse.FromString(message).token_ids]

    def set_up() -> dict[str, str]:
        return {name: version(name) for name in ("tandem-serving", "torch", "grpcio")}

    def command(need: Need, port: int) -> tuple[str, ...]:
        ports = ("--port", str(port), "--metrics-port", str(free_port() if port else 0))
        settings = ("--models", model, "--dtype", dtype, "--no-prefix-cache")
        return (sys.executable, "-m", "services.ar", *ports, *settings, *flags)

    return Engine(f"Tandem {dtype}", Dialect("tandem", model, request, tokens), set_up, command, is_serving)


def passages_of(ids: Sequence[int], seed: str) -> Passages:
    """Return passages of a text that depend on the seed alone."""
    return partial(_passage, ids, random.Random(seed))


def _passage(ids: Sequence[int], source: random.Random, num_tokens: int) -> list[int]:
    start = source.randrange(len(ids) - num_tokens)
    return list(ids[start : start + num_tokens])
