"""The parallel service beside its peers, direct and behind Envoy: as it chooses to compute, and on equal terms.

    python -m benchmarks.parallel [--out benchmarks/results] [--rounds 4] [--cache FOLDER]

Writes parallel.json and parallel.md: the bars, the figures behind them, and the machine they were measured on. Peers
are installed into FOLDER the first time, each into an environment of its own; one that cannot be had is named with the
reason. Debian: g++, libnghttp2-dev for the load clients; libgrpc++-dev, libprotobuf-dev and protobuf-compiler-grpc for
the C++ reference. Takes about eight minutes, and at the first time what the installations
take; the machine should have nothing else to do. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from benchmarks.harness.bars import Results
from benchmarks.harness.command import parser
from benchmarks.harness.load import HTTP1, SENDER, open_client
from benchmarks.harness.messages import GAN_MODEL
from benchmarks.harness.printing import write
from benchmarks.harness.servers import ROOT
from benchmarks.harness.surroundings import surroundings
from benchmarks.parallel.bars import bars
from benchmarks.parallel.contenders import loops, tandem
from benchmarks.parallel.page import page
from benchmarks.parallel.peers import VERSIONS, Peers
from benchmarks.parallel.session import Session
from benchmarks.parallel.workload import FULL
from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.models import ModelRepository


def run(rounds: int, folder: Path) -> Results:
    """Measure everything."""
    started = time.monotonic()
    for name in (SENDER, HTTP1):
        open_client(name)
    around, model = surroundings(), ModelRepository(ROOT / "models").get(GAN_MODEL)
    int8 = model.spec.int8
    peers = Peers(folder, model.path(model.spec.generator or ""), model.path(int8.generator) if int8 else None)
    contenders, bare = [*tandem(), *peers.contenders()], loops(model)
    session = Session(contenders, bare, peers.generator, FULL)
    session.run(rounds)
    loads = {workload.name: seconds for workload, seconds in FULL.loads.items()}
    more = {
        "runtime": session.runtime,
        "contenders": [each.name for each in contenders],
        "loops": list(bare),
        "peers": VERSIONS,
        "absent": peers.absent,
        "durations": {**vars(FULL), "loads": loads},
    }
    spreads, failures = session.figures.spreads(), session.figures.failures
    seconds = round(time.monotonic() - started, 1)
    return Results("parallel", around, bars(around.instructions), rounds, spreads, failures, seconds, more)


def main() -> None:
    flags = parser(__doc__, rounds=4, out="parallel", has_peers=True)
    options = flags.parse_args()
    try:
        results = run(options.rounds, options.cache)
    except LibraryUnavailable as error:
        sys.exit(f"parallel: {error}")
    write(options.out, "parallel", results.as_json(), page(results))
    sys.exit(0 if results.are_met else 1)


if __name__ == "__main__":
    main()
