"""Whether a server keeps up with an open loop: a test of the backlog's slope.

The backlog at an instant is how many requests were due by then and had not ended. A server that keeps up has one that
comes and goes; of one that does not, it grows as long as the load lasts. So a line is fitted to its means over equal
parts of the window, and the slope counts only if its 99 % interval lies above zero. Parts, not instants, as what is
there at one instant is there a moment later, too: a window must be many times as long as a busy spell.
"""

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.load import Backlog
from tandem.measure.results.value import Value

NUM_PARTS = 10
# Student's t at 99 % for the NUM_PARTS - 2 degrees of freedom that a line leaves.
_T = 3.355
_SAMPLES_OF_A_PART = 50
_LEAST_REQUESTS = 10 * NUM_PARTS


def backlog_of(intended: NDArray[np.float64], ended: NDArray[np.float64], window: float) -> Backlog | None:
    """Return the test's result for requests that came at a steady rate; None if too few were due in the window.

    Seconds from the beginning of a window of so many; infinite for what has not ended. Those due before it count as
    backlog alone: a window that is short beside busy spells tells nothing, however many came before.
    """
    if np.count_nonzero((intended >= 0.0) & (intended <= window)) < _LEAST_REQUESTS or window <= 0.0:
        return None
    instants = (np.arange(NUM_PARTS * _SAMPLES_OF_A_PART) + 0.5) / (NUM_PARTS * _SAMPLES_OF_A_PART) * window
    due, gone = (np.searchsorted(np.sort(times), instants, side="right") for times in (intended, ended))
    means = (due - gone).reshape(NUM_PARTS, -1).mean(axis=1)
    (slope, _), covariance = np.polyfit(instants.reshape(NUM_PARTS, -1).mean(axis=1), means, 1, cov=True)
    slope, error = float(slope), float(np.sqrt(covariance[0, 0]))
    low, high = slope - _T * error, slope + _T * error
    found = Value(value=slope, low=low, high=high, method="t", count=NUM_PARTS)
    return Backlog(slope_per_second=found, grows=low > 0.0, mean=float(means.mean()))
