from tandem.cli.metrics_page import parsed, values

PAGE = """# HELP x_total What it is.
# TYPE x_total counter
x_total{model="a",kind="one"} 3.0
x_total{model="a",kind="two"} 4e+02
x_total{model="b \\" c",kind="one"} NaN
plain 7.0
"""


def test_lines_with_labels_are_read() -> None:
    samples = parsed(PAGE)
    assert [one.metric for one in samples] == ["x_total"] * 3
    assert samples[0].labels == {"model": "a", "kind": "one"}
    assert values(samples, "x_total", model="a") == [3.0, 400.0]
    assert values(samples, "x_total", model="a", kind="two") == [400.0]
    assert values(samples, "y_total") == []
