"""What it takes to load a language model: peak memory beside the size of its file, and the time to be ready.

    python -m benchmarks.loading [--rounds 5] [--file model.gguf] [--cache FOLDER] [--speeds]

Without a file it writes one of 1.1 billion random weights in Q4_0. The sequential backend and llama.cpp's library, if
it was installed in FOLDER (see benchmarks.side_by_side), behind a server in Python, start in turns, with one sequence
of 2,048 tokens. Memory is the kernel's own count: the peak of all pages until the server is ready. With --speeds the
servers hold eight sequences; ten seconds later, when Tandem has its weights in large pages, they generate one text and
eight at a time, and read long prompts, of random tokens. The last line of stdout is JSON.
"""

import asyncio
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.processes import free_port, peak_mebibytes, running
from benchmarks.loading.random_llama import LlamaShape, write_random_llama
from benchmarks.peers.engine import Engine, Need
from benchmarks.peers.engines import llama_cpp
from benchmarks.peers.llama_cpp_server import LIBRARIES
from benchmarks.side_by_side.asker import Asker
from benchmarks.side_by_side.tandem_engine import tandem
from benchmarks.side_by_side.workloads import NUM_PROMPT_TOKENS, WORKLOADS
from tandem.measure.generator.generator import generator

NEED, NEED_OF_SPEEDS = Need(1, 2048), Need(8, 2048)
OF_SPEEDS = [each for each in WORKLOADS if each.name in ("decode_1", "decode_8", "prefill")]
NUM_WARM_UP_TOKENS = 8
SETTLING_SECONDS = 10.0


def measured(engine: Engine, with_speeds: bool) -> dict[str, float]:
    """Start a server; return what it took, and with `with_speeds` how fast it then is."""
    port, need = free_port(), NEED_OF_SPEEDS if with_speeds else NEED
    started = time.monotonic()
    with running(engine.command(need, port), lambda: engine.is_ready(port)) as process:
        seconds = time.monotonic() - started
        peak = peak_mebibytes(process.pid)
        found = {"ready_seconds": seconds, "peak_mebibytes": peak}
        if with_speeds:
            time.sleep(SETTLING_SECONDS)
            found |= asyncio.run(speeds(engine, port))
    return found


async def speeds(engine: Engine, port: int) -> dict[str, float]:
    """Return tokens a second, by workload."""
    source, vocab_size = random.Random(0), LlamaShape().vocab_size

    def passage(num_tokens: int) -> list[int]:
        return [source.randrange(vocab_size // 2, vocab_size) for _ in range(num_tokens)]  # none of them ends a text

    figures = {}
    async with generator(f"127.0.0.1:{port}") as sender:
        asker = Asker(engine, sender)
        for workload in OF_SPEEDS:
            count = workload.need.num_sequences
            await asker.ask([passage(NUM_PROMPT_TOKENS) for _ in range(count)], NUM_WARM_UP_TOKENS, at_a_time=count)
            found = await workload.run(asker, passage)
            figures[f"{workload.name}_tokens_per_second"] = found["tokens_per_second"]
    return figures


def engines(file: Path, folder: Path, peers: Path) -> list[Engine]:
    """Return the servers that are there; `folder` gets a model repository."""
    (folder / "model").mkdir()
    (folder / "model" / "model.toml").write_text(
        f'kind = "transformer"\nmodality = "text"\nlicence = "unknown"\ngguf = "{file}"\n'
    )
    ours = tandem("model", "auto")

    def command(need: Need, port: int) -> tuple[str, ...]:
        num_tokens = need.num_sequences * need.num_context_tokens
        return (*ours.command(need, port), "--models-dir", str(folder), "--kv-cache-tokens", str(num_tokens))

    found = [replace(ours, name="tandem", command=command)]
    if (peers / LIBRARIES).exists():
        found.append(replace(llama_cpp(peers, file, ""), name="llama.cpp"))
    return found


def main() -> None:
    flags = parser(__doc__, rounds=5, has_peers=True)
    flags.add_argument("--file", type=Path)
    flags.add_argument("--speeds", action="store_true", help="and how fast they generate; outputs are not checked")
    options = flags.parse_args()
    figures = Figures()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file = options.file or write_random_llama(folder / "random-1.1b-q4_0.gguf", LlamaShape())
        file_mebibytes = file.stat().st_size / 2**20
        servers = engines(file.resolve(), folder, options.cache)
        for _ in range(options.rounds):
            for each in servers:
                found = measured(each, options.speeds)
                found["peak_by_file"] = found["peak_mebibytes"] / file_mebibytes
                for figure, value in found.items():
                    figures.add(figure, each.name, value)
    title = f"{file.name}, {file_mebibytes:.0f} MiB: median (min-max) of {options.rounds} starts"
    table = spread_table(figures.spreads(), [each.name for each in servers], title=title)
    results = {"benchmark": "loading", "file_mebibytes": round(file_mebibytes, 1), "figures": figures.spreads()}
    show(table, results)


if __name__ == "__main__":
    main()
