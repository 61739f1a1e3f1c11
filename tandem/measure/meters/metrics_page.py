"""A server's metrics page: its samples, what was counted between two, and quantiles as Prometheus computes them."""

from __future__ import annotations

import http.client
import math
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tandem.shared.errors import ExpectedError

_TIMEOUT_SECONDS = 5.0

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Histogram:
    """Observations up to each upper bound (the last is +inf), and their sum."""

    cumulative: Mapping[float, float]
    sum: float

    @property
    def count(self) -> float:
        return self.cumulative.get(math.inf, 0.0)

    def quantile(self, share: float) -> float:
        """Return what `histogram_quantile(share, ...)` says: linear inside a bucket; NaN without observations."""
        rank = share * self.count
        lower, below = 0.0, 0.0
        for bound in sorted(self.cumulative):
            count = self.cumulative[bound]
            if count >= rank and count > below:
                return lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below)
            lower, below = bound, count
        return math.nan


@dataclass(frozen=True)
class Page:
    """The samples of a metrics page, by name and labels."""

    samples: Mapping[tuple[str, Labels], float]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all samples of this name that have at least these labels."""
        return sum(self.values(name, **labels))

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the samples of this name that have at least these labels."""
        wanted = set(labels.items())
        return [value for (sample, its), value in self.samples.items() if sample == name and wanted <= its]

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Return the histogram of this name over all series that have at least these labels."""
        wanted = set(labels.items())
        cumulative: dict[float, float] = {}
        for (sample, its), value in self.samples.items():
            if sample == f"{name}_bucket" and wanted <= its:
                bound = float(dict(its)["le"])
                cumulative[bound] = cumulative.get(bound, 0.0) + value
        return Histogram(cumulative, self.total(f"{name}_sum", **labels))

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values of a label of the samples of this name."""
        return {dict(its)[label] for sample, its in self.samples if sample == name and label in dict(its)}

    def since(self, before: Page) -> Page:
        """Return what was counted after `before`."""
        return Page({key: value - before.samples.get(key, 0.0) for key, value in self.samples.items()})


def parse(text: str) -> Page:
    """Return the page written in Prometheus' text format."""
    families = text_string_to_metric_families(text)
    return Page(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for every in families
            for sample in every.samples
        }
    )


def read(address: str) -> Page:
    """Read /metrics at host:port. Raises ExpectedError if it is not to be had."""
    return parse(fetch(f"{address}/metrics", {}))


def fetch(place: str, headers: Mapping[str, str]) -> str:
    """Return the text at host:port/path, over HTTP in the clear. Raises ExpectedError if it is not to be had."""
    try:
        request = urllib.request.Request(f"http://{place}", headers=dict(headers))
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  always http
            return str(response.read().decode())
    except (OSError, UnicodeDecodeError, http.client.HTTPException) as error:
        raise ExpectedError(str(getattr(error, "reason", error))) from None
