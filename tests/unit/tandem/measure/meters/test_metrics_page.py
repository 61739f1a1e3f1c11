"""What is read from two pages of metrics."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from tandem.measure.meters.metrics_page import Page, parse


class _Server:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram("seconds", "", ["rpc", "code"], buckets=(1, 2, 4), registry=self.registry)
        self.requests = Counter("requests", "", ["rpc"], registry=self.registry)

    def page(self) -> Page:
        return parse(generate_latest(self.registry).decode())


def test_only_what_came_between_two_pages_counts() -> None:
    server = _Server()
    server.seconds.labels("Sample", "OK").observe(3.5)
    server.requests.labels("Sample").inc(5)
    before = server.page()
    server.seconds.labels("Sample", "OK").observe(0.5)
    server.requests.labels("Sample").inc(2)
    since = server.page().since(before)
    histogram = since.histogram("seconds", rpc="Sample")
    assert (histogram.count, histogram.sum, since.total("requests_total")) == (1, 0.5, 2)


def test_quantiles_are_linear_inside_a_bucket() -> None:
    server = _Server()
    for value in (0.5, 1.5, 1.6, 3.0):
        server.seconds.labels("Sample", "OK").observe(value)
    histogram = server.page().histogram("seconds")
    assert histogram.quantile(0.25) == 1.0
    assert histogram.quantile(0.5) == pytest.approx(1.5)
    assert histogram.quantile(0.99) == pytest.approx(2 + 2 * 0.96)


def test_series_are_chosen_by_their_labels_and_added_up() -> None:
    server = _Server()
    for rpc, code, value in (("Sample", "OK", 0.5), ("Sample", "CANCELLED", 3.0), ("Generate", "OK", 1.5)):
        server.seconds.labels(rpc, code).observe(value)
    page = server.page()
    assert page.histogram("seconds", rpc="Sample").count == 2
    assert page.histogram("seconds", code="OK").count == 2
    assert page.histogram("seconds", rpc="Sample", code="OK").sum == 0.5
    assert page.labels("seconds_sum", "rpc") == {"Sample", "Generate"}
    assert page.values("seconds_sum", rpc="Sample") == [0.5, 3.0]
    assert page.values("nothing") == []
