"""A dashboard, made of its description in boards/: its variables, its links to the others, and its rows of panels."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    IntervalVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana.panels import DATASOURCE, KINDS, Panel, Query

TAG = "tandem"


def _model(metric: str, name: str = "model", label: str = "model", default: str = "") -> QueryVariable:
    """Return a variable of the models that `metric` (a selector) has: one of them, or any if there is no default."""
    variable = QueryVariable(name).query(f"label_values({metric}, model)").datasource(DATASOURCE).label(label)
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    if default:
        return variable.current(VariableOption(selected=True, text=default, value=default))
    every = VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(".+").current(every)


def _window() -> IntervalVariable:
    sizes = ("30s", "1m", "5m", "15m", "1h")
    options = [VariableOption(selected=size == "1m", text=size, value=size) for size in sizes]
    variable = IntervalVariable("window").label("rate window").values(",".join(sizes)).options(options)
    return variable.current(options[1]).description("Rates and quantiles are of the requests of so long a time.")


def dashboard(file: Path) -> Dashboard:
    """Return the dashboard that a file describes."""
    name, described = file.stem, yaml.safe_load(file.read_text())
    board = Dashboard(f"Tandem: {name}").uid(f"tandem-{name}").description(described["text"])
    board.tags([TAG]).timezone("browser").readonly()
    board.time("now-15m", "now").refresh("10s").tooltip(DashboardCursorSync.CROSSHAIR)
    others = DashboardLink("Tandem").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(False)
    board.link(others.include_vars(False).keep_time(True))
    board.with_variable(DatasourceVariable("datasource").label("data source").type("prometheus"))
    for variable in (*(_model(**model) for model in described["models"]), _window()):
        board.with_variable(variable)
    number = 0
    for title, panels in described["rows"].items():
        board.with_row(Row(title).id(number := number + 1))
        for panel in panels:
            board.with_panel(_panel(described["names"], **panel).id(number := number + 1))
    return board


def _panel(names: Mapping[str, str], queries: list[dict[str, str]], kind: str = "lines", **how: Any) -> Panel:
    asked = [query for one in queries for query in _expand(names, **one)]
    return KINDS[kind](queries=asked, **how)


def _expand(names: Mapping[str, str], expr: str, legend: str) -> Iterator[Query]:
    """Yield a query with its names replaced; with `$quantile` in it two, of the median and of the 99th percentile."""
    expr = re.sub(r"<(\w+)>", lambda found: names[found[1]], expr)
    for share, word in ((0.5, "p50"), (0.99, "p99")) if "$quantile" in expr else ((0.0, ""),):
        yield Query(expr.replace("$quantile", str(share)), legend.replace("$quantile", word))
