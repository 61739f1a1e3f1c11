"""Our token engine beside the best that a CPU offers, in one run.

The peers: llama.cpp's release, its fork ik_llama.cpp and OpenVINO GenAI.

    python -m benchmarks.side_by_side [--peers llama-q8_0 openvino] [--dtypes auto] [--rounds 3] [--out out]

Sets each peer up in a folder of its own (the first time takes a minute), checks everyone's greedy tokens against a
float32 reference, and measures each workload in rounds: in each, every engine does it in turn, over HTTP or gRPC, by a
server that is started for it while no other runs. `--rounds 0` only checks outputs and times nothing; with `--dtypes
float32` Tandem must produce exactly the reference's tokens. Writes text_peers.json. Gaps are between messages with
tokens, memory is the most that a server's processes held, `to_best` is over the best peer of the same round.
"""

import argparse
import signal
import sys

from benchmarks.harness.backend import TEXT_MODEL
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.results import write
from benchmarks.peers.engines import PEERS, tandem
from benchmarks.peers.weights import describe_weights, shipped_weights
from benchmarks.side_by_side.held_text import fetch
from benchmarks.side_by_side.output_check import reference_outputs, tokenizer_of
from benchmarks.side_by_side.session import WORKLOADS, Session
from tandem.measure.prompts import PROMPTS


def measure(options: argparse.Namespace) -> None:
    figures, gguf = Figures(), shipped_weights()
    tokenizer = tokenizer_of(gguf)
    text = fetch(options.cache, tokenizer)
    prompts = [tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in PROMPTS[: options.prompts]]
    session = Session(text.ids, figures)
    for name in options.peers:
        session.set_up(PEERS[name](options.cache))
    for dtype in options.dtypes:
        session.set_up(tandem(TEXT_MODEL, dtype))
    session.check(prompts, reference_outputs(gguf, prompts))
    session.run(options.rounds, {name: WORKLOADS[name] for name in options.workloads})
    about = {**describe_weights(gguf), "text": text.about, "engines": session.facts}
    write(options.out, "text_peers", figures.document("text_peers", options.rounds, about=about))


def main() -> None:
    flags = parser(__doc__, rounds=3, out="text_peers", has_peers=True)
    flags.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    flags.add_argument("--dtypes", nargs="*", default=["auto"], help="of ours; default: auto")
    flags.add_argument("--workloads", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    flags.add_argument("--prompts", type=int, default=len(PROMPTS), help="to check outputs with; default: all")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers are ended
    measure(flags.parse_args())


if __name__ == "__main__":
    main()
