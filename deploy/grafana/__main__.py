"""Writes dashboards/*.json: what Grafana reads, and what is committed."""

import json
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.gateway import gateway
from deploy.grafana.parallel import parallel
from deploy.grafana.sequential import sequential
from deploy.grafana.tradeoff import tradeoff

FOLDER = Path(__file__).parent / "dashboards"


def render() -> dict[str, str]:
    """Return the text of each file by its name."""
    boards = {"tradeoff": tradeoff, "sequential": sequential, "parallel": parallel, "gateway": gateway}
    return {f"{name}.json": text(board()) for name, board in boards.items()}


def text(board: Dashboard) -> str:
    return json.dumps(board.build(), cls=JSONEncoder, sort_keys=True, indent=1) + "\n"


if __name__ == "__main__":
    for name, content in render().items():
        (FOLDER / name).write_text(content)
