"""Writes dashboards/*.json: what Grafana reads, and what is committed."""

import json
from pathlib import Path

from deploy.grafana.layout import dashboard

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = Path(__file__).parent / "boards"


def render() -> dict[str, str]:
    """Return the text of each file by its name."""
    boards = {f"{file.stem}.json": dashboard(file) for file in sorted(BOARDS.glob("*.yaml"))}
    return {name: json.dumps(board, sort_keys=True, indent=1) + "\n" for name, board in boards.items()}


if __name__ == "__main__":
    for name, content in render().items():
        (FOLDER / name).write_text(content)
