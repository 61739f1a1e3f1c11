"""What the committed models must reach, and whether they do.

    python -m tandem.measure.quality.gates

prints every gate of every models/*/evaluation.json and ends with 1 if one is missed, or if the figures are of other
weights than the model has now.
"""

import json
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tandem.measure.report.tables import Cell, Row, Table, markdown_table
from tandem.shared.models import ModelRepository


class Gate(NamedTuple):
    """A metric's limit: the lowest value that is accepted, or the highest."""

    sign: Literal["<=", ">="]
    limit: float

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.sign == "<=" else value >= self.limit

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


GATED_NUM_IMAGES = 10_000
GATES: dict[str, dict[str, Gate]] = {
    "fashion-gan": {
        "fid": Gate("<=", 1.6),
        "accuracy": Gate(">=", 0.90),
        "precision": Gate(">=", 0.92),
        "recall": Gate(">=", 0.55),
        "coverage": Gate(">=", 0.80),
        "worst_class_fid": Gate("<=", 8.0),
        "memorised": Gate("<=", 0.03),
    },
    "fashion-ar": {
        "fid": Gate("<=", 4.5),
        "accuracy": Gate(">=", 0.85),
        "recall": Gate(">=", 0.75),
        "coverage": Gate(">=", 0.65),
        "bits_per_token_test_images": Gate("<=", 3.2),
        "reconstruction_fid": Gate("<=", 2.0),
    },
}


def verdicts(name: str, quality: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return, by metric, what is accepted and whether it is met; `quality` holds the metrics by name.

    Empty for a model without gates, and for fewer or more images: the metrics depend on their number. What was not
    measured has no verdict.
    """
    if quality["num_images"] != GATED_NUM_IMAGES:
        return {}
    return {
        metric: {"accepted": str(gate), "is_met": gate.is_met(quality[metric])}
        for metric, gate in GATES.get(name, {}).items()
        if metric in quality
    }


def main(models: Path = Path("models")) -> int:
    """Return the exit code."""
    rows, all_met = [], True
    repository = ModelRepository(models)
    for path in sorted(models.glob("*/evaluation.json")):
        found = json.loads(path.read_text())
        if found["weights_sha256"] != repository.get(path.parent.name).weight_digests():
            all_met = False
            word = Cell("of other weights: evaluate the model again", is_bad=True)
            rows.append(Row((path.parent.name, "all", "", "", word)))
            continue
        quality = found["model"] | found["own_verdict"]
        for metric, verdict in verdicts(path.parent.name, quality).items():
            all_met &= verdict["is_met"]
            word = Cell("met" if verdict["is_met"] else "MISSED", is_bad=not verdict["is_met"])
            rows.append(Row((path.parent.name, metric, f"{quality[metric]:g}", verdict["accepted"], word)))
    print(markdown_table(Table(("model", "metric", "value", "gate", ""), rows), is_padded=True))
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
