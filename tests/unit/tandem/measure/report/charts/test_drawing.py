"""Charts as pictures: every point is there and says what it is, colours are the page's, and texts are only text."""

from __future__ import annotations

import html
import itertools
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tandem.measure.report.charts.chart import Chart, Row, Series, Stack
from tandem.measure.report.charts.drawing import _COLOURS, _PARTS, draw_svg, save_pngs
from tandem.measure.results.value import PHASES, Value

HOSTILE = "<script>alert(1)</script> $x$"
SURE = [Value(value=value, low=value - 1, high=value + 1, count=9) for value in (5.0, 7.0)]
SERIES = Series(HOSTILE, "parallel", "line", [1.0, 20.0, 300.0], [SURE[0], Value(value=6.0, count=1), SURE[1]])
FIT = Series("fit", "sequential", "fit", [1.0, 300.0], [5.0, 6.0])
NAMED = Series("n", "neutral", "hollow", [1.0, 2.0], ["a", HOSTILE], notes=["x", "y"], is_labelled=True)
CHART = Chart("key", HOSTILE, "x", "y", [SERIES, FIT], levels=[(5.5, HOSTILE)])
STACK = Stack("phases", "t", [Row(HOSTILE, "sequential", {"decode": 0.06, "queue": 0.01, "outside": 0.03})])


TAGS = {"svg", "g", "defs", "style", "clipPath", "path", "rect", "use", "text", "tspan", "title", "pattern"}


def titles(text: str) -> list[str]:
    return list(map(html.unescape, re.findall("<title>(.*?)</title>", text)))


def test_every_point_says_what_it_is() -> None:
    text = draw_svg(CHART)
    assert titles(text) == [*SERIES.titles, "fit"]
    assert titles(draw_svg(STACK)) == ["queue: 10 ms, 10 %", "decode: 60 ms, 60 %", "outside: 30 ms, 30 %"]
    assert titles(draw_svg(Chart("key", "t", "x", "", [NAMED], y_log=False))) == NAMED.titles
    assert draw_svg(CHART) == text


def test_ticks_of_a_logarithmic_axis_can_be_read() -> None:
    for ends, ticks in (
        ([3.0, 70.0], ["5", "10", "20", "50"]),
        ([0.5, 50_000.0], ["1", "10", "100", "1,000", "10,000"]),
        ([12.0, 14.0], ["12", "12.5", "13", "13.5", "14"]),
    ):
        drawn = draw_svg(Chart("key", "t", "x", "", [Series("s", "parallel", "line", ends, [0.0, 0.0])], y_log=False))
        assert set(ticks) <= set(re.findall("<text[^>]*>([^<]*)</text>", drawn))


def test_what_a_document_says_is_only_text() -> None:
    for chart in (CHART, STACK):
        assert set(re.findall(r"<(\w+)", draw_svg(chart))) <= TAGS
        assert "&lt;script&gt;" in draw_svg(chart)


def test_colours_are_those_of_the_page_which_has_them_for_either_ground() -> None:
    used = set(re.findall(r"var\(--([a-z]+)\)", draw_svg(CHART) + draw_svg(STACK)))
    assert {"parallel", "sequential", "muted", "line"} <= used <= set(_COLOURS)
    light, dark = files("tandem.measure.report").joinpath("templates", "style.css").read_text().split("@media", 1)
    for name in used:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark
    left = set(re.findall(r"#[0-9a-f]{6}", re.sub(r'(id|href)="[^"]*"|url\([^)]*\)', "", draw_svg(CHART))))
    assert left == set()


def test_any_two_parts_of_a_stack_can_be_told_apart() -> None:
    """By at least 25 of CIE 1976, ten times what is just noticed side by side; or one is hatched."""
    assert tuple(_PARTS) == PHASES
    for one, other in itertools.combinations(_PARTS, 2):
        is_hatched = "outside" in (one, other)
        assert is_hatched or np.linalg.norm(lab(_PARTS[one]) - lab(_PARTS[other])) >= 25


def lab(colour: str) -> NDArray[np.float64]:
    """Return a colour of sRGB, D65, in CIE L*a*b*."""
    rgb = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    ratio = xyz / [0.9505, 1.0, 1.089]
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_pngs_are_pictures(tmp_path: Path) -> None:
    for path in save_pngs([CHART, STACK], tmp_path):
        with Image.open(path) as image:
            assert image.width > 900
            assert len(set(image.convert("L").tobytes())) > 20
