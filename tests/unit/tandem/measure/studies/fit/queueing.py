"""A queue in front of a server that works in steps, simulated exactly for given arrivals. Plain arithmetic.

The server repeats steps. Before each, those who wait join, in order of arrival, while there is room; a step with b
requests takes step_seconds(b); a request leaves after its last step. Many steps a request are continuous batching, as a
transformer's engine does it, and, if small, processor sharing; one is a batch server: whoever waits is taken together.
Room for one is the textbook's M/D/1.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray


def simulate(
    arrivals: Sequence[float], step_seconds: Callable[[float], float], num_steps: int, max_batch: int
) -> NDArray[np.float64]:
    """Return the latency of each request, in order of arrival (`arrivals` in seconds, ascending)."""
    seconds = [0.0, *(step_seconds(batch) for batch in range(1, max_batch + 1))]
    latencies: list[float] = []
    leaving: deque[int] = deque()  # the step after which each of those who run leaves, ascending: all need as many
    num_arrivals, next_in, step, now = len(arrivals), 0, 0, 0.0
    while len(latencies) < num_arrivals:
        if not leaving:
            now = max(now, arrivals[next_in])
        while next_in < num_arrivals and len(leaving) < max_batch and arrivals[next_in] <= now:
            leaving.append(step + num_steps)
            next_in += 1
        # All steps until somebody leaves, or can join, are alike.
        a_step, num_alike = seconds[len(leaving)], leaving[0] - step
        if next_in < num_arrivals and len(leaving) < max_batch:
            num_alike = min(num_alike, max(1, math.ceil((arrivals[next_in] - now) / a_step)))
        now += num_alike * a_step
        step += num_alike
        while leaving and leaving[0] == step:
            leaving.popleft()
            latencies.append(now - arrivals[len(latencies)])
    return np.array(latencies)
