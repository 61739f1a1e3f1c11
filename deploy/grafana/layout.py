"""A dashboard, made of its description in boards/ and of the house style, style.yaml: variables, and rows of panels."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import yaml

Json = dict[str, Any]
STYLE: Json = yaml.safe_load((Path(__file__).parent / "style.yaml").read_text())
COLUMNS = 24


def dashboard(file: Path) -> Json:
    """Return the dashboard that a file describes, as Grafana reads it."""
    described = yaml.safe_load(file.read_text())
    variables = [STYLE["datasource"], *(_model(**model) for model in described["models"]), STYLE["window"]]
    panels = [panel | {"id": number} for number, panel in enumerate(_placed(described), start=1)]
    own = {"title": f"Tandem: {file.stem}", "uid": f"tandem-{file.stem}", "description": described["text"]}
    document: Json = STYLE["dashboard"] | own
    return document | {"templating": {"list": variables}, "panels": panels}


def _model(metric: str, default: str = "", **own: str) -> Json:
    """Return a variable of the models that `metric` (a selector) has: one of them, or any if there is no default."""
    variable: Json = STYLE["any model"] | own | {"query": f"label_values({metric}, model)"}
    if default:
        del variable["allValue"]
        current = {"selected": True, "text": default, "value": default}
        variable |= {"includeAll": False, "multi": False, "current": current}
    return variable


def _placed(described: Json) -> Iterator[Json]:
    """Yield the rows' heads and panels, from left to right and from top to bottom."""
    top = 0
    for title, panels in described["rows"].items():
        yield STYLE["row"] | {"title": title, "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}}
        left, top, bottom = 0, top + 1, top + 1
        for each in panels:
            panel = _panel(described["names"], **each)
            place = panel["gridPos"]
            if left + place["w"] > COLUMNS:
                left, top = 0, bottom
            yield panel | {"gridPos": place | {"x": left, "y": top}}
            left, bottom = left + place["w"], max(bottom, top + place["h"])
        top = bottom


def _panel(
    names: Mapping[str, str], title: str, text: str, unit: str, queries: list[Json], kind: str = "lines", **own: Any
) -> Json:
    """Return a panel of a kind; `own` is what it has besides, in Grafana's words."""
    asked = [query for each in queries for query in _expand(names, **each)]
    pairs = zip(asked, ascii_uppercase, strict=False)
    targets = [STYLE["query"] | query | {"refId": letter} for query, letter in pairs]
    panel = STYLE["panel"] | STYLE["kinds"][kind] | {"title": title, "description": text, "targets": targets}
    values: Json = {"unit": STYLE["units"][unit]}
    if kind == "lines" and unit in STYLE["soft_max"]:
        values["custom"] = {"axisSoftMax": STYLE["soft_max"][unit]}
    return _merged(_merged(panel, {"fieldConfig": {"defaults": values}}), own)


def _merged(one: Json, other: Json) -> Json:
    """Return `one` with what `other` has besides, dictionaries within them likewise."""
    both = {key: _merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], dict)}
    return one | other | both


def _expand(names: Mapping[str, str], expr: str, legend: str, **own: Any) -> Iterator[Json]:
    """Yield a query with its names replaced; with `$quantile` in it two, of the median and of the 99th percentile."""
    expr = re.sub(r"<(\w+)>", lambda found: names[found[1]], expr)
    for share, word in ((0.5, "p50"), (0.99, "p99")) if "$quantile" in expr else ((0.0, ""),):
        asked = {"expr": expr.replace("$quantile", str(share)), "legendFormat": legend.replace("$quantile", word)}
        yield own | asked
