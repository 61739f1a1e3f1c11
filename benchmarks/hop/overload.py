"""Four times the load that the product can carry: what is still answered in time, and how fast the rest is refused."""

from __future__ import annotations

import numpy as np

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Client, open_loop, poisson
from benchmarks.harness.run import Run, Target
from tandem.measure.statistics.quantiles import nearest_rank

OVERLOAD = "overload"
FACTOR = 4.0
DEADLINE_SECONDS = 2.0
_RESOURCE_EXHAUSTED = 8


def measure_overload(client: Client, target: Target, peak: float, seconds: float, seed: int) -> Run:
    """Ask for `FACTOR` times `peak` requests a second, each with a deadline, whatever becomes of those before."""
    starts = poisson(FACTOR * peak, seconds, seed)
    return open_loop(client, target, starts, deadline_seconds=DEADLINE_SECONDS)


def add_overload(figures: Figures, contender: str, paradigm: str, run: Run, peak: float) -> None:
    """Note the goodput as a share of the peak, and how long refusals take, in milliseconds.

    Goodput: requests that ended OK, within their deadline and while the load lasted, a second.
    """
    took = run.ended - run.sent
    lasted = float(run.intended.max() - run.intended.min())
    in_time = run.is_ok & (took <= DEADLINE_SECONDS) & (run.ended <= run.intended.max())
    figures.add(f"{paradigm}.{OVERLOAD}.goodput", contender, float(in_time.sum()) / lasted / peak)
    refused = took[np.equal(run.status, _RESOURCE_EXHAUSTED)]
    for share in (0.5, 0.99):
        value = 1000 * nearest_rank(refused, share)
        figures.add(f"{paradigm}.{OVERLOAD}.refusal_p{100 * share:g}_ms", contender, value)
