"""The matched pair, served and measured as `tandem demo` does it, and both services beside each other.

    python -m benchmarks.release.pair [--out benchmarks/results]

Writes pair.json, the documents of one run by their kinds without what no page states (single trials, distributions,
pictures), and pair.png, the chart of cost against quality. Takes about eight minutes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parser
from benchmarks.harness.processes import free_port, run_tandem, serving
from benchmarks.harness.results import dump
from benchmarks.harness.surroundings import surroundings
from tandem.cli.bench.results import PICTURES
from tandem.cli.servers.demo import REPORT_FOLDER
from tandem.measure.report.charts.studies import KEY as CHART
from tandem.measure.results.files import whole

DOCUMENTS = ("comparison", "steps", "crossover", "colocation")
LEFT_OUT = frozenset({"samples_png", "trials", "latency", "first_output", "phases", "batch_size", "packages", "runs"})
LEFT_OUT |= {"difference", "first_value", "second_value", "of_rounds", "services", "cpu_sources"}
MODELS = ("--sequential-model", "smollm2-135m-instruct", "--sequential-model", "fashion-ar")
PORTS = ("port", "http-port", "ar-port", "ar-metrics-port", "gan-port", "gan-metrics-port")


def slim(document: Any) -> Any:
    """Return a document without the parts of LEFT_OUT, at any depth."""
    if isinstance(document, dict):
        return {name: slim(part) for name, part in document.items() if name not in LEFT_OUT}
    return [slim(part) for part in document] if isinstance(document, list) else document


def measure(folder: Path) -> dict[str, Any]:
    """Run the demo and the co-location; return the documents by kind.

    Raises FileNotFoundError if a measurement broke off before its document was whole.
    """
    run_tandem("demo", "--out", str(folder))
    measured = folder / REPORT_FOLDER
    ports = {name: free_port() for name in PORTS}
    flags = [f"--{name}={port}" for name, port in ports.items()]
    with serving("tandem.cli", "up", *flags, *MODELS, port=ports["port"]):
        fit = ("--fit", str(measured / "crossover.json"), "--address", f"127.0.0.1:{ports['port']}")
        run_tandem("bench", "colocation", *fit, "--sequential-model", "fashion-ar", "--out", str(measured))
    paths = {kind: measured / f"{kind}.json" for kind in DOCUMENTS}
    if missing := [kind for kind in DOCUMENTS if not paths[kind].exists()]:
        raise FileNotFoundError(f"no document of {', '.join(missing)}")
    return {kind: slim(json.loads(path.read_text())) for kind, path in paths.items()}


def main() -> None:
    options = parser(__doc__, out="pair").parse_args()
    around = surroundings()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tandem-pair-") as folder:
        results = {"bench": "release.pair", "surroundings": around, **measure(Path(folder))}
        shutil.copy(Path(folder) / REPORT_FOLDER / PICTURES / f"{CHART}.png", options.out / "pair.png")
    with whole(options.out / "pair.json") as target:
        target.write_text(dump(results) + "\n")


if __name__ == "__main__":
    main()
