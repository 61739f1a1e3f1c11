"""What it takes to load a language model: peak memory beside the size of its file, and the time to be ready.

    python -m benchmarks.loading [--rounds 5] [--file model.gguf] [--peers FOLDER]

Without a file it writes one of 1.1 billion random weights in Q4_0. The sequential backend and llama.cpp's server, if it
was built in FOLDER (see benchmarks.side_by_side), start in turns, with one sequence of 2,048 tokens. Memory is the
kernel's own count: the peak of all pages, and what is anonymous and what is of files once the server is ready. The last
line of stdout is JSON.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.memory import PEAK, mebibytes
from benchmarks.harness.printing import show
from benchmarks.harness.processes import free_port, is_serving, running
from benchmarks.loading.random_llama import LlamaShape, write_random_llama
from benchmarks.peers.engine import Need
from benchmarks.peers.llama_cpp import PROGRAMS, LlamaCpp
from runtime.settings import cache_folder
from tandem.measure import formats
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.statistics.intervals import over_rounds

NEED = Need(num_sequences=1, num_context_tokens=2048)
FIELDS = {PEAK: "peak_mebibytes", "RssAnon": "anonymous_mebibytes", "RssFile": "file_mebibytes"}


@dataclass(frozen=True)
class Contender:
    """A server of the model."""

    name: str
    command: Callable[[int], list[str]]
    """Of a port."""
    is_ready: Callable[[int], bool]


def measured(contender: Contender) -> dict[str, float]:
    """Start a server; return what it took."""
    port = free_port()
    started = time.monotonic()
    with running(contender.command(port), lambda: contender.is_ready(port)) as process:
        seconds = time.monotonic() - started
        found = mebibytes(process.pid)
    return {"ready_seconds": seconds, **{figure: found[field] for field, figure in FIELDS.items()}}


def contenders(file: Path, folder: Path, peers: Path) -> list[Contender]:
    """Return the servers that are there; `folder` gets a model repository."""
    (folder / "model").mkdir()
    (folder / "model" / "model.toml").write_text(
        f'kind = "transformer"\nmodality = "text"\nlicence = "unknown"\ngguf = "{file}"\n'
    )
    flags = ("--models", "model", "--models-dir", str(folder), "--kv-cache-tokens", str(NEED.num_context_tokens))
    found = [
        Contender(
            "tandem",
            lambda port: [
                sys.executable,
                "-m",
                "services.ar",
                "--port",
                str(port),
                "--metrics-port",
                str(free_port()),
                *flags,
            ],
            is_serving,
        )
    ]
    if (peers / PROGRAMS / "llama-server").exists():
        peer = LlamaCpp(peers, file, "")
        found.append(Contender("llama.cpp", lambda port: list(peer.command(NEED, port)), peer.is_ready))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--peers", type=Path, default=cache_folder() / "peers")
    options = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file = options.file or write_random_llama(folder / "random-1.1b-q4_0.gguf", LlamaShape())
        file_mebibytes = file.stat().st_size / 2**20
        servers = contenders(file.resolve(), folder, options.peers)
        for _ in range(options.rounds):
            for each in servers:
                found = measured(each)
                found["peak_by_file"] = found["peak_mebibytes"] / file_mebibytes
                for figure, value in found.items():
                    figures[each.name][figure].append(value)
    summary = {who: {figure: over_rounds(values) for figure, values in found.items()} for who, found in figures.items()}
    heads = ("server", *(figure.replace("_", " ") for figure in figures["tandem"]))
    rows = [
        Row((who, *(value_cell(value, formats.number) for value in found.values()))) for who, found in summary.items()
    ]
    table = Table(heads, rows, f"{file.name}, {file_mebibytes:.0f} MiB: median (min-max) of {options.rounds} starts")
    show(table, {"benchmark": "loading", "file_mebibytes": round(file_mebibytes, 1), "servers": summary})


if __name__ == "__main__":
    main()
