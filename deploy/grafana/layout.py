"""A dashboard: its variables, its links to the others, and its rows of panels."""

from collections.abc import Mapping, Sequence

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

from deploy.grafana.panels import DATASOURCE, Panel

TAG = "tandem"


def one_model(name: str, label: str, metric: str, default: str) -> QueryVariable:
    """Return a variable that holds one of the models that `metric` (a selector) has, at first `default`."""
    option = VariableOption(selected=True, text=default, value=default)
    return _models(name, metric).label(label).current(option)


def some_models(metric: str) -> QueryVariable:
    """Return the variable `model`, of any of the models that `metric` (a selector) has, at first all."""
    every = VariableOption(selected=True, text=["All"], value=["$__all"])
    return _models("model", metric).label("model").multi(True).include_all(True).all_value(".+").current(every)


def _models(name: str, metric: str) -> QueryVariable:
    variable = QueryVariable(name).query(f"label_values({metric}, model)").datasource(DATASOURCE)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)


def _window() -> IntervalVariable:
    sizes = ("30s", "1m", "5m", "15m", "1h")
    options = [VariableOption(selected=size == "1m", text=size, value=size) for size in sizes]
    variable = IntervalVariable("window").label("rate window").values(",".join(sizes)).options(options)
    return variable.current(options[1]).description("Rates and quantiles are of the requests of so long a time.")


def dashboard(
    uid: str, title: str, description: str, models: Sequence[QueryVariable], rows: Mapping[str, Sequence[Panel]]
) -> Dashboard:
    """Return a dashboard; `rows` are panels by the title of their row."""
    board = Dashboard(title).uid(uid).description(description).tags([TAG]).timezone("browser").readonly()
    board.time("now-15m", "now").refresh("10s").tooltip(DashboardCursorSync.CROSSHAIR)
    others = DashboardLink("Tandem").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(False)
    board.link(others.include_vars(False).keep_time(True))
    board.with_variable(DatasourceVariable("datasource").label("data source").type("prometheus"))
    for variable in (*models, _window()):
        board.with_variable(variable)
    number = 0
    for name, panels in rows.items():
        board.with_row(Row(name).id(number := number + 1))
        for panel in panels:
            board.with_panel(panel.id(number := number + 1))
    return board
