"""Writes dashboards/*.json: what Grafana reads, and what is committed."""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.layout import dashboard

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = Path(__file__).parent / "boards"


def render() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {f"{file.stem}.json": text(dashboard(file)) for file in sorted(BOARDS.glob("*.yaml"))}


def text(board: Dashboard) -> str:
    return json.dumps(board.build(), cls=JSONEncoder, sort_keys=True, indent=1) + "\n"


if __name__ == "__main__":
    for name, content in render().items():
        (FOLDER / name).write_text(content)
