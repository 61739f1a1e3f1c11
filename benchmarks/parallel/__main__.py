"""The parallel service beside its peers: direct and behind Envoy, now and before, each with the same model file.

    python -m benchmarks.parallel [--out benchmarks/results] [--quick] [--rounds 4] [--before COMMIT] [--peers FOLDER]

Writes parallel.json and parallel.md: the bars, the figures behind them, and the machine they were measured on. Peers
are installed into FOLDER the first time, each into an environment of its own; one that cannot be had is named with the
reason. Debian: g++, libnghttp2-dev for the load clients; libgrpc++-dev, libprotobuf-dev and protobuf-compiler-grpc for
the C++ reference. Takes about eight minutes, with --quick about two, and at the first time what the installations
take; the machine should have nothing else to do. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.harness.load import HTTP1, SENDER, open_client
from benchmarks.harness.printing import write
from benchmarks.harness.programs import ProgramUnavailable
from benchmarks.harness.servers import ROOT, earlier_tree
from benchmarks.harness.surroundings import surroundings
from benchmarks.parallel.contenders import tandem
from benchmarks.parallel.loops import loops
from benchmarks.parallel.page import page
from benchmarks.parallel.peers import VERSIONS, Peers
from benchmarks.parallel.results import Results
from benchmarks.parallel.session import Session
from benchmarks.parallel.workload import FULL, QUICK, Durations
from runtime.models import Model, ModelRepository
from runtime.settings import cache_folder

# Its parallel service is on grpc.aio and draws with ONNX Runtime alone.
ON_GRPC_AIO = "8b14d6d"
_MODEL = "fashion-gan"


def measure(
    model: Model, before: Path | None, peers: Peers, durations: Durations
) -> tuple[Session, list[str], list[str]]:
    """Return what all rounds have measured, and the names of the contenders and of the bare loops."""
    contenders = [*tandem(before), *peers.contenders()]
    files = loops(model, peers.folder)
    session = Session(contenders, files, peers.generator, durations)
    session.run()
    return session, [each.name for each in contenders], list(files)


def run(out: Path, durations: Durations, before: str, folder: Path) -> bool:
    """Measure, write both files into `out`, print the page, and return whether all went well and every bar is met."""
    model = ModelRepository(ROOT / "models").get(_MODEL)
    peers = Peers(folder, model.path(model.spec.generator or ""))
    started = time.monotonic()
    for name in (SENDER, HTTP1):
        open_client(name)
    with earlier_tree(before) as tree:
        around = surroundings(before if tree else None)
        session, contenders, looped = measure(model, tree, peers, durations)
    results = Results(
        around=around,
        runtime=session.runtime,
        durations=durations,
        spreads=session.figures.spreads(),
        contenders=contenders,
        loops=looped,
        peers=VERSIONS,
        absent=peers.absent,
        failures=session.failures,
        seconds=round(time.monotonic() - started, 1),
    )
    write(out, "parallel", results.as_json(), page(results))
    return results.are_met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for parallel.json and parallel.md")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all works")
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    parser.add_argument("--before", default=ON_GRPC_AIO, help="commit of the earlier tree; left out if not there")
    parser.add_argument("--peers", type=Path, default=cache_folder() / "peers", help="where peers are installed")
    options = parser.parse_args()
    durations = QUICK if options.quick else FULL
    durations = replace(durations, rounds=options.rounds or durations.rounds)
    try:
        is_met = run(options.out, durations, options.before, options.peers)
    except ProgramUnavailable as error:
        sys.exit(f"parallel: {error}")
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
