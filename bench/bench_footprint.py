"""Memory of the three processes under load, and the time each takes to be ready.

    python bench/bench_footprint.py

Starts them as `tandem up` does, runs 32 texts of 512 tokens (prompt and output) and 64 requests of 64 images at the
same time, and prints each process's peak. The last line of stdout is JSON.
"""

import asyncio
import json
import time
from contextlib import ExitStack
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from bench.processes import free_port, serving
from tandem.ar.v1 import ar_pb2, ar_pb2_grpc
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc

MEBIBYTE_KIB = 1024
TEXT_MODEL = "smollm2-135m-instruct"


async def load(port: int) -> None:
    """Fill the KV cache and the batcher at once."""
    sampling = ar_pb2.SamplingParams(max_tokens=112, ignore_eos=True)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        text, images = ar_pb2_grpc.AutoregressiveServiceStub(channel), gan_pb2_grpc.GanServiceStub(channel)

        async def one_text(number: int) -> None:
            prompt = ar_pb2.TokenPrompt(ids=[100 + (number * 7 + i) % 1000 for i in range(400)])
            async for _ in text.Generate(ar_pb2.GenerateRequest(model=TEXT_MODEL, tokens=prompt, sampling=sampling)):
                pass

        await asyncio.gather(
            *(one_text(number) for number in range(32)),
            *(images.Sample(gan_pb2.SampleRequest(count=64)) for _ in range(64)),
        )


def peak_mebibytes(pid: int) -> float:
    """Return the most memory that a process ever had resident (Linux)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / MEBIBYTE_KIB


def main() -> None:
    ar, gan, gateway = free_port(), free_port(), free_port()
    targets = ("--ar-targets", f"127.0.0.1:{ar}", "--gan-targets", f"127.0.0.1:{gan}")
    plan = (
        ("services.ar", ar, "--metrics-port", str(free_port())),
        ("services.gan", gan, "--metrics-port", str(free_port())),
        ("gateway", gateway, "--http-port", str(free_port()), *targets),
    )
    ready, peaks = {}, {}
    with ExitStack() as stack:
        pids = {}
        for module, port, *flags in plan:
            started = time.monotonic()
            pids[module] = stack.enter_context(serving(module, "--port", str(port), *flags, port=port)).pid
            ready[module] = round(time.monotonic() - started, 2)
        asyncio.run(load(gateway))
        peaks = {module: round(peak_mebibytes(pid), 1) for module, pid in pids.items()}
    table = Table("process", "peak memory, MiB", "ready after, s")
    for module, peak in peaks.items():
        table.add_row(module, str(peak), str(ready[module]))
    table.add_row("together", str(round(sum(peaks.values()), 1)), "")
    Console().print(table)
    print(json.dumps({"benchmark": "footprint", "peak_mebibytes": peaks, "ready_seconds": ready}))


if __name__ == "__main__":
    main()
