"""PromQL as text, in the few forms that the panels need. `$window` is the dashboards' rate window.

`by` are labels, separated by commas; `match` is what stands between the braces of a selector.
"""

from dataclasses import dataclass

OUTPUT_RPCS = 'rpc=~"Generate|Complete|Sample|SampleStream"'
FINISHED = f'code="OK",{OUTPUT_RPCS}'

DURATION = "gen_ai_server_request_duration_seconds"
FIRST_OUTPUT = "tandem_time_to_first_output_seconds"
PHASES = "tandem_phase_seconds"


@dataclass(frozen=True)
class Query:
    """What is asked, and what its lines are called; `{{label}}` in the legend stands for a label's value."""

    expr: str
    legend: str


def total(metric: str, by: str, match: str = "") -> str:
    """Return the sum of a gauge."""
    return f"sum by ({by}) ({metric}{{{match}}})"


def rate(metric: str, by: str, match: str = "") -> str:
    """Return what a counter gains a second."""
    return f"sum by ({by}) (rate({metric}{{{match}}}[$window]))"


def quantile(share: float, histogram: str, by: str, match: str = "") -> str:
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', f'{by}, le', match)})"


def quantiles(histogram: str, by: str, match: str, legend: str) -> list[Query]:
    """Return the median and the 99th percentile, as two lines."""
    return [Query(quantile(q, histogram, by, match), f"{legend} p{100 * q:.0f}") for q in (0.5, 0.99)]


def share_of(part: str, whole: str) -> str:
    """Return a ratio of two rates, nothing while there is no whole."""
    return f"({part}) / ({whole} > 0)"


def mean(histogram: str, by: str, match: str = "") -> str:
    return share_of(rate(f"{histogram}_sum", by, match), rate(f"{histogram}_count", by, match))


def phase_means(phases: str, match: str) -> str:
    """Return the mean seconds of each phase, over all requests: they add up to the mean of the whole.

    A request is not observed in a phase that it did not have; every request has the gateway's.
    """
    requests = f'sum (rate({phases}_count{{{match},phase="gateway"}}[$window]))'
    return f"{rate(f'{phases}_sum', 'phase', match)} / on () group_left () ({requests} > 0)"
