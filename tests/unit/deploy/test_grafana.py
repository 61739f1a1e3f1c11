"""The committed dashboards are current and well-formed. tests/e2e/test_dashboards.py asks their queries."""

import json
import re

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.__main__ import FOLDER, render

BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def test_the_committed_json_is_what_the_code_writes():
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == render(), "run `make dashboards`"


def test_grafana_s_own_types_read_it_and_lose_nothing():
    register_default_plugins()
    for document in BOARDS.values():
        assert holds(json.loads(json.dumps(Dashboard.from_json(document), cls=JSONEncoder)), document)


def holds(whole: object, part: object) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return part.keys() <= whole.keys() and all(holds(whole[key], part[key]) for key in part)
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part


def test_a_dashboard_uses_the_variables_that_it_has():
    for name, board in BOARDS.items():
        assert (board["uid"], board["title"]) == (f"tandem-{name}", f"Tandem: {name}")
        variables = [variable["name"] for variable in board["templating"]["list"]]
        asked = {word for panel in board["panels"] for word in re.findall(r"\$\{?(\w+)", json.dumps(panel))}
        assert asked | {"datasource"} == set(variables)
