"""The house style: how a panel looks.

A line of a whole paradigm has the paradigm's colour. Lines of a model, a phase or a code have the colours of Grafana's
palette, so that many can be distinguished. A 99th percentile is dashed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, timeseries, xychart
from grafana_foundation_sdk.builders.dashboard import FieldColor
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.xychart import SeriesMapping, XYShowMode

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
UNITS = {"seconds": "s", "requests": "reqps", "share": "percentunit", "number": "short", "bytes": "bytes"}
UNITS |= {unit: f"suffix: {unit}/s" for unit in ("images", "tokens", "sequences", "entries")}
_AT_LEAST = {"share": 0.05, **dict.fromkeys(("requests", "images", "tokens", "sequences", "entries"), 1.0)}
"""The upper end of an axis whose values are all 0, by unit."""

SEQUENTIAL_COLOUR, PARALLEL_COLOUR, GATEWAY_COLOUR = "#3D71D9", "#F2840D", "#8E8E9B"
COLOURS = {"sequential": SEQUENTIAL_COLOUR, "parallel": PARALLEL_COLOUR, "gateway": GATEWAY_COLOUR}
PHASE_COLOURS = {
    "queue": "#E0226E",
    "prefill": "#8F3BB8",
    "batch_wait": "#FF7383",
    "decode": "#37872D",
    "compute": "#73BF69",
    "encode": "#FADE2A",
    "backend_other": "#C0B9A8",
    "sockets": "#5C4A72",
    "gateway": GATEWAY_COLOUR,
    "residual": "#44444D",
}

Panel = timeseries.Panel | stat.Panel | heatmap.Panel | xychart.Panel | statetimeline.Panel


@dataclass(frozen=True)
class Query:
    """What is asked, and what its lines are called; `{{label}}` in the legend stands for a label's value."""

    expr: str
    legend: str


Drawn = TypeVar("Drawn", timeseries.Panel, stat.Panel, heatmap.Panel, xychart.Panel, statetimeline.Panel)


def _fill(panel: Drawn, title: str, text: str, unit: str, queries: Sequence[Query]) -> Drawn:
    panel.title(title).description(text).unit(UNITS[unit]).datasource(DATASOURCE)
    for query, name in zip(queries, ascii_uppercase, strict=False):
        panel.with_target(_target(query, name))
    return panel


def _target(query: Query, name: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend)
    return target.ref_id(name).datasource(DATASOURCE).range()


def _colour(panel: Drawn) -> Drawn:
    for word, colour in COLOURS.items():
        panel.override_by_regexp(f"/^{word}( p\\d+| latency)?$/", [_fixed(colour)])
    return panel


def _fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def _dashes() -> list[DynamicConfigValue]:
    return [DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]})]


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.TABLE)
    return legend.placement(LegendPlacement.RIGHT).calcs(["lastNotNull"]).sort_by("Last *").sort_desc(True)


def _log() -> common.ScaleDistributionConfig:
    return common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10)


def lines(title: str, text: str, unit: str, queries: Sequence[Query], *, log: bool = False) -> timeseries.Panel:
    """Return lines over time; the largest stands first in the legend."""
    panel = _fill(timeseries.Panel(), title, text, unit, queries).span(12).height(8).line_width(2)
    panel.legend(_legend()).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.show_points(VisibilityMode.NEVER).override_by_regexp("/ p99$/", _dashes())
    if log:
        panel.scale_distribution(_log())
    else:
        panel.min(0)
        if unit in _AT_LEAST:
            panel.axis_soft_max(_AT_LEAST[unit])
    return _colour(panel.color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)))


def stacked_phases(title: str, text: str, queries: Sequence[Query]) -> timeseries.Panel:
    """Return the phases on top of each other, and the whole, the last query, as a line, which they must reach."""
    panel = lines(title, text, "seconds", queries).fill_opacity(70).line_width(1)
    panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    for phase, colour in PHASE_COLOURS.items():
        panel.override_by_name(phase, [_fixed(colour)])
    as_line = [
        DynamicConfigValue("custom.stacking", {"mode": "none"}),
        DynamicConfigValue("custom.fillOpacity", 0),
        DynamicConfigValue("custom.lineWidth", 2),
        *_dashes(),
        _fixed("text"),
    ]
    return panel.override_by_name(queries[-1].legend, as_line)


def numbers(title: str, text: str, unit: str, queries: Sequence[Query]) -> stat.Panel:
    """Return the last values in large figures."""
    panel = _fill(stat.Panel(), title, text, unit, queries).span(4).height(5)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _colour(panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.AREA))


def buckets(title: str, text: str, queries: Sequence[Query]) -> heatmap.Panel:
    """Return how many requests fell into each bucket of a latency histogram, over time."""
    panel = heatmap.Panel().title(title).description(text).datasource(DATASOURCE).span(12).height(8)
    panel.with_target(_target(queries[0], "A").format(PromQueryFormat.HEATMAP)).unit(UNITS["requests"])
    panel.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Viridis").steps(64))
    return panel.y_axis(heatmap.YAxisConfig().unit(UNITS["seconds"])).cell_gap(1).show_legend()


def against(title: str, text: str, queries: Sequence[Query], *, x_label: str, y_label: str) -> xychart.Panel:
    """Return a cloud of points, one a moment, for each paradigm: the queries of x, then those of y, joined by time."""
    panel = _fill(xychart.Panel(), title, text, "seconds", queries).span(12).height(10)
    panel.with_transformation(DataTransformerConfig("joinByField", options={"byField": "Time", "mode": "outer"}))
    panel.mapping(SeriesMapping.MANUAL).show(XYShowMode.POINTS).axis_label(y_label)
    paradigms, names = ("sequential", "parallel"), [query.legend for query in queries]
    panel.series([_series(*names_of_one) for names_of_one in zip(paradigms, names[:2], names[2:], strict=True)])
    panel.legend(common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
    for name in names[:2]:
        units = [DynamicConfigValue("unit", UNITS["images"]), DynamicConfigValue("custom.axisLabel", x_label)]
        panel.override_by_name(name, units)
    return _colour(panel)


def _series(paradigm: str, x: str, y: str) -> xychart.XYSeriesConfig:
    def named(name: str) -> xychart.MatcherConfig:
        return xychart.MatcherConfig().id("byName").options(name)

    series = xychart.XYSeriesConfig().name(xychart.XychartXYSeriesConfigName().fixed(paradigm))
    series.x(xychart.XychartXYSeriesConfigX().matcher(named(x)))
    return series.y(xychart.XychartXYSeriesConfigY().matcher(named(y)))


def states(title: str, text: str, queries: Sequence[Query], *, one: str, zero: str) -> statetimeline.Panel:
    """Return a bar over time for each series, of whether it was 1 or 0, in words."""
    panel = _fill(statetimeline.Panel(), title, text, "number", queries).span(12).height(8)
    words = {"1": ValueMappingResult(one, "green", index=0), "0": ValueMappingResult(zero, "red", index=1)}
    return panel.mappings([ValueMap(words)]).show_value(VisibilityMode.AUTO).row_height(0.8)


KINDS: dict[str, Callable[..., Panel]] = {
    make.__name__: make for make in (lines, stacked_phases, numbers, buckets, against, states)
}
