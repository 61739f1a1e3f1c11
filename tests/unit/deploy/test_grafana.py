"""The committed dashboards: current, complete, and in one style. That their queries find something is tested live."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.__main__ import FOLDER, render

BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PROVISIONING = FOLDER.parent / "provisioning"


def list_panels() -> Iterator[tuple[str, dict]]:
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield name, panel


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


def test_a_panel_says_what_it_shows_in_which_unit():
    for _, panel in list_panels():
        assert len(panel["description"]) > 20
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert all(target["legendFormat"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]} - {""}) == len(panel["targets"])
        references = [target["datasource"] for target in panel["targets"]] + [panel["datasource"]]
        assert all(reference["uid"] == "${datasource}" for reference in references)


def test_a_cloud_of_points_is_of_fields_that_its_queries_bring():
    for panel in (panel for _, panel in list_panels() if panel["type"] == "xychart"):
        legends = {target["legendFormat"] for target in panel["targets"]}
        for series in panel["options"]["series"]:
            assert {series[axis]["matcher"]["options"] for axis in ("x", "y")} <= legends


def test_grafana_is_told_where_data_and_dashboards_are():
    def read(path: Path) -> dict:
        return yaml.safe_load(path.read_text())

    [source] = read(PROVISIONING / "datasources" / "tandem.yml")["datasources"]
    assert (source["type"], source["isDefault"], source["url"]) == ("prometheus", True, "$PROMETHEUS_URL")
    scrape = read(FOLDER.parents[1] / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scrape
    [provider] = read(PROVISIONING / "dashboards" / "tandem.yml")["providers"]
    assert provider["options"]["path"] == "$TANDEM_DASHBOARDS"
