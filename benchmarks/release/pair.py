"""The matched pair, served as `tandem up` serves it and measured as `tandem bench tradeoff` does.

    python -m benchmarks.release.pair [--out benchmarks/results]

Writes pair.json, the documents of one run by their kinds without what no page states (single trials, distributions,
pictures), and pair.png, the chart of cost against quality. Takes about seven minutes, several times as long where
`tandem up` serves a model that takes steps.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parser
from benchmarks.harness.printing import dumped
from benchmarks.harness.processes import free_port, serving
from benchmarks.harness.servers import ROOT
from benchmarks.harness.surroundings import surroundings
from tandem.cli.bench.folder import PICTURES
from tandem.measure.report.charts.quality import KEY as CHART
from tandem.measure.results.files import whole

DOCUMENTS = ("comparison", "same_precision", "steps", "crossover", "colocation")
LEFT_OUT = frozenset({"samples_png", "trials", "distribution", "phases", "batch_size", "packages", "services", "runs"})
LEFT_OUT |= {"difference", "first_value", "second_value", "alone_of_rounds", "together_of_rounds", "cpu_sources"}
PORTS = ("port", "http-port", "ar-port", "ar-metrics-port", "gan-port", "gan-metrics-port")


def slim(document: Any) -> Any:
    """Return a document without the parts of LEFT_OUT, at any depth."""
    if isinstance(document, dict):
        return {name: slim(each) for name, each in document.items() if name not in LEFT_OUT}
    return [slim(each) for each in document] if isinstance(document, list) else document


def measure(folder: Path) -> dict[str, Any]:
    """Measure the pair as it is served and then with both models in float32; return the documents by kind.

    Raises FileNotFoundError if a measurement broke off before its document was whole.
    """
    paths = {kind: folder / f"{kind}.json" for kind in DOCUMENTS}
    tradeoff = ("tradeoff", "--no-colocation", "--out", str(folder))
    bench({}, tradeoff, ("colocation", "--fit", str(paths["crossover"]), "--out", str(folder)))
    same = ("compare", "--quality-images", "0", "--json", str(paths["same_precision"]))
    bench({"TANDEM_GAN_PRECISION": "float32"}, same)
    if missing := [kind for kind in DOCUMENTS if kind != "steps" and not paths[kind].exists()]:
        raise FileNotFoundError(f"no document of {', '.join(missing)}")
    return {kind: slim(json.loads(path.read_text())) for kind, path in paths.items() if path.exists()}


def bench(variables: Mapping[str, str], *commands: Sequence[str]) -> None:
    """Serve the pair on free ports, with `variables` in the environment, while commands of `tandem bench` run."""
    ports = {name: free_port() for name in PORTS}
    flags = [f"--{name}={port}" for name, port in ports.items()]
    with serving("tandem.cli", "up", *flags, port=ports["port"], cwd=ROOT, variables=variables):
        for words in commands:
            command = [sys.executable, "-m", "tandem.cli", "bench", *words, "--address", f"127.0.0.1:{ports['port']}"]
            subprocess.run(command, cwd=ROOT, check=False)  # 1: something is wrong, and stands in the documents


def main() -> None:
    options = parser(__doc__, out="pair").parse_args()
    around = surroundings()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tandem-pair-") as folder:
        results = {"bench": "release.pair", "surroundings": around, **measure(Path(folder))}
        shutil.copy(Path(folder) / PICTURES / f"{CHART}.png", options.out / "pair.png")
    with whole(options.out / "pair.json") as target:
        target.write_text(dumped(results) + "\n")


if __name__ == "__main__":
    main()
