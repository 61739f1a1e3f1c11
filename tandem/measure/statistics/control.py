"""An A/A control: the same load twice, in alternating slices, and how far equal things differ here.

A difference between two other runs of the same length means something only if it is larger. The slices go A B, B A,
A B, ...: what drifts slowly falls on both alike.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tandem.measure.results.load import Difference

NUM_PAIRS = 5
# Student's t at 95 % for NUM_PAIRS - 1 degrees of freedom.
_T = 2.776


def is_first(pair: int) -> bool:
    """Return whether A is the first of a pair."""
    return pair % 2 == 0


def differences(pairs: Mapping[tuple[str, str], Sequence[tuple[float, float]]]) -> tuple[Difference, ...]:
    """Return what the pairs (A, B) of each stream and figure say; values are positive."""
    found = []
    for (stream, figure), values in pairs.items():
        logarithms = np.array([math.log(b / a) for a, b in values])
        error = float(np.std(logarithms, ddof=1)) / math.sqrt(len(logarithms))
        ratio = math.exp(float(np.mean(logarithms)))
        found.append(Difference(stream=stream, figure=figure, ratio=ratio, least=math.expm1(_T * error)))
    return tuple(found)
