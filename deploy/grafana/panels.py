"""The house style: how a panel looks.

A line of a whole paradigm has the paradigm's colour. Lines of a model, a phase or a code have the colours of Grafana's
palette, so that many can be distinguished. A 99th percentile is dashed.
"""

from collections.abc import Sequence
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

from deploy.grafana.queries import Query

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
SECONDS, REQUESTS, SHARE, NUMBER, BYTES = "s", "reqps", "percentunit", "short", "bytes"
IMAGES, TOKENS, SEQUENCES, ENTRIES = (f"suffix: {unit}/s" for unit in ("images", "tokens", "sequences", "entries"))
_AT_LEAST = {SHARE: 0.05, REQUESTS: 1.0, IMAGES: 1.0, TOKENS: 1.0, SEQUENCES: 1.0, ENTRIES: 1.0}
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
Drawn = TypeVar("Drawn", timeseries.Panel, stat.Panel, heatmap.Panel, xychart.Panel, statetimeline.Panel)


def _fill(panel: Drawn, title: str, description: str, unit: str, queries: Sequence[Query]) -> Drawn:
    panel.title(title).description(description).unit(unit).datasource(DATASOURCE)
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


def lines(title: str, description: str, unit: str, queries: Sequence[Query], *, log: bool = False) -> timeseries.Panel:
    """Return lines over time; the largest stands first in the legend."""
    panel = _fill(timeseries.Panel(), title, description, unit, queries).span(12).height(8).line_width(2)
    panel.legend(_legend()).tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.show_points(VisibilityMode.NEVER).override_by_regexp("/ p99$/", _dashes())
    if log:
        panel.scale_distribution(_log())
    else:
        panel.min(0)
        if unit in _AT_LEAST:
            panel.axis_soft_max(_AT_LEAST[unit])
    return _colour(panel.color_scheme(FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC)))


def stacked_phases(title: str, description: str, phases: Query, whole: Query) -> timeseries.Panel:
    """Return the phases on top of each other, and the whole as a line, which they must reach."""
    panel = lines(title, description, SECONDS, [phases, whole]).fill_opacity(70).line_width(1)
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
    return panel.override_by_name(whole.legend, as_line)


def numbers(title: str, description: str, unit: str, queries: Sequence[Query]) -> stat.Panel:
    """Return the last values in large figures."""
    panel = _fill(stat.Panel(), title, description, unit, queries).span(4).height(5)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return _colour(panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.AREA))


def buckets(title: str, description: str, query: Query) -> heatmap.Panel:
    """Return how many requests fell into each bucket of a latency histogram, over time."""
    panel = heatmap.Panel().title(title).description(description).datasource(DATASOURCE).span(12).height(8)
    panel.with_target(_target(query, "A").format(PromQueryFormat.HEATMAP)).unit(REQUESTS)
    panel.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Viridis").steps(64))
    return panel.y_axis(heatmap.YAxisConfig().unit(SECONDS)).cell_gap(1).show_legend()


def against(
    title: str, description: str, *, x: dict[str, Query], y: dict[str, Query], x_label: str, y_label: str
) -> xychart.Panel:
    """Return a cloud of points, one a moment, for each paradigm: the queries of x and y are joined by their time."""
    panel = _fill(xychart.Panel(), title, description, SECONDS, [*x.values(), *y.values()]).span(12).height(10)
    panel.with_transformation(DataTransformerConfig("joinByField", options={"byField": "Time", "mode": "outer"}))
    panel.mapping(SeriesMapping.MANUAL).show(XYShowMode.POINTS).axis_label(y_label)
    panel.series([_series(paradigm, x[paradigm].legend, y[paradigm].legend) for paradigm in x])
    panel.legend(common.VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
    for query in x.values():
        units = [DynamicConfigValue("unit", IMAGES), DynamicConfigValue("custom.axisLabel", x_label)]
        panel.override_by_name(query.legend, units)
    return _colour(panel)


def _series(paradigm: str, x: str, y: str) -> xychart.XYSeriesConfig:
    def named(name: str) -> xychart.MatcherConfig:
        return xychart.MatcherConfig().id("byName").options(name)

    series = xychart.XYSeriesConfig().name(xychart.XychartXYSeriesConfigName().fixed(paradigm))
    series.x(xychart.XychartXYSeriesConfigX().matcher(named(x)))
    return series.y(xychart.XychartXYSeriesConfigY().matcher(named(y)))


def states(title: str, description: str, query: Query, *, yes: str, no: str) -> statetimeline.Panel:
    """Return a bar over time for each series, of whether it was 1 or 0."""
    panel = _fill(statetimeline.Panel(), title, description, NUMBER, [query]).span(12).height(8)
    words = {"1": ValueMappingResult(yes, "green", index=0), "0": ValueMappingResult(no, "red", index=1)}
    return panel.mappings([ValueMap(words)]).show_value(VisibilityMode.AUTO).row_height(0.8)
