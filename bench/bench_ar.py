"""Decode tokens/s of the sequential backend, beside transformers' `generate` on the same weights in the same run.

    python bench/bench_ar.py [--dtype float32] [--rounds 3]

64-token prompts, 128 new tokens, greedy, EOS ignored; the server in its own process, the client outside of it, at
concurrency 1, 8 and 32; transformers in this process at static batch 8, in turn with ours. Tokens/s count every new
token from the first request's start to the last one's end, prompts included. The last line of stdout is JSON.
"""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import grpc
import torch
import transformers
from rich.console import Console
from rich.table import Table

from bench.processes import free_port, serving
from bench.prompts import PROMPTS
from bench.spread import shown, spread
from runtime.models import ModelRepository
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc

MODEL = "smollm2-135m-instruct"
NUM_PROMPT_TOKENS = 64
NUM_NEW_TOKENS = 128
CONCURRENCIES = (1, 8, 32)
PEER_BATCH = 8

Figures = dict[str, list[float]]


def make_prompts(tokenizer: Any, count: int) -> list[list[int]]:
    """Return `count` different prompts of real text, NUM_PROMPT_TOKENS each."""
    ids = tokenizer("\n\n".join(PROMPTS * 4))["input_ids"]
    return [ids[7 * i : 7 * i + NUM_PROMPT_TOKENS] for i in range(count)]


async def ours(port: int, prompts: list[list[int]]) -> tuple[float, float]:
    """Send all prompts at once; return (tokens/s, seconds to the first token in the median)."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = ar_pb2_grpc.AutoregressiveServiceStub(channel)
        started = time.perf_counter()
        results = await asyncio.gather(*(_one(stub, prompt) for prompt in prompts))
        seconds = time.perf_counter() - started
    assert all(count == NUM_NEW_TOKENS for count, _ in results)
    first_tokens = sorted(seconds for _, seconds in results)
    return len(prompts) * NUM_NEW_TOKENS / seconds, first_tokens[len(first_tokens) // 2]


async def _one(stub: ar_pb2_grpc.AutoregressiveServiceStub, prompt: list[int]) -> tuple[int, float]:
    sampling = ar_pb2.SamplingParams(temperature=0.0, max_tokens=NUM_NEW_TOKENS, ignore_eos=True)
    started, first, count = time.perf_counter(), 0.0, 0
    async for response in stub.Generate(
        ar_pb2.GenerateRequest(model=MODEL, tokens=ar_pb2.TokenPrompt(ids=prompt), sampling=sampling)
    ):
        first = first or time.perf_counter() - started
        count += len(response.token_ids)
    return count, first


@torch.inference_mode()
def theirs(model: Any, prompts: list[list[int]]) -> float:
    """Return tokens/s of one static batch."""
    started = time.perf_counter()
    output = model.generate(
        torch.tensor(prompts), max_new_tokens=NUM_NEW_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    assert output.shape[1] == NUM_PROMPT_TOKENS + NUM_NEW_TOKENS
    return len(prompts) * NUM_NEW_TOKENS / (time.perf_counter() - started)


def measure(dtype: str, rounds: int, console: Console) -> tuple[Figures, Figures]:
    """Return (tokens/s, seconds to first token) by name, one figure a round."""
    path = ModelRepository(Path("models")).get(MODEL).transformer_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=getattr(torch, dtype)
    )
    prompts = make_prompts(tokenizer, max(CONCURRENCIES))
    rates: Figures = defaultdict(list)
    first: Figures = defaultdict(list)
    port = free_port()
    # The same prompts come in each round; the peer computes them each time, and so do we.
    flags = ("--port", str(port), "--metrics-port", str(free_port()), "--dtype", dtype, "--no-prefix-cache")
    with serving("services.ar", *flags, port=port):
        asyncio.run(ours(port, prompts[:2]))  # warm-up, not counted
        for number in range(rounds):
            for n in CONCURRENCIES:
                rate, seconds = asyncio.run(ours(port, prompts[:n]))
                rates[f"tandem_{n}"].append(rate)
                first[f"tandem_{n}"].append(seconds)
            rates["transformers_8"].append(theirs(model, prompts[:PEER_BATCH]))
            console.print(f"round {number + 1} of {rounds} done")
    return rates, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    console = Console(stderr=True)
    rates, first = measure(options.dtype, options.rounds, console)
    ratios = [a / b for a, b in zip(rates["tandem_8"], rates["transformers_8"], strict=True)]
    table = Table("engine", "tokens/s: median (min-max)", "first token, s", title=f"{MODEL}, {options.dtype}")
    for name, values in rates.items():
        table.add_row(name, shown(spread(values, 1)), shown(spread(first[name], 3)) if name in first else "")
    Console().print(table)
    report = {
        "benchmark": "ar",
        "dtype": options.dtype,
        "tokens_per_second": {name: spread(values, 1) for name, values in rates.items()},
        "first_token_seconds": {name: spread(values, 3) for name, values in first.items()},
        "ratio_to_transformers_at_8": spread(ratios),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
