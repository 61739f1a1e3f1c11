"""A process's /metrics page, as far as commands show it: values by metric and labels."""

import re
import urllib.request
from dataclasses import dataclass

TIMEOUT_SECONDS = 5.0
_LINE = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    """One line of the page."""

    metric: str
    labels: dict[str, str]
    value: float


def read_samples(host: str, port: int) -> list[Sample]:
    """Return the lines that have labels. Raises OSError if the page is not to be had."""
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=TIMEOUT_SECONDS) as response:
        return parsed(response.read().decode())


def parsed(page: str) -> list[Sample]:
    return [Sample(metric, dict(_LABEL.findall(labels)), float(value)) for metric, labels, value in _LINE.findall(page)]


def values(samples: list[Sample], metric: str, **labels: str) -> list[float]:
    """Return the values of a metric that have these labels among theirs."""
    return [one.value for one in samples if one.metric == metric and labels.items() <= one.labels.items()]
