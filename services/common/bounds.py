"""The bounds of a request's numbers: one outside is refused by its place. Knows nothing of what they mean."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tandem.shared.errors import InvalidArgument

Float32s = npt.NDArray[np.float32]


def check_int(field: str, value: int, low: int, high: int) -> int:
    """Return `value`. Raises InvalidArgument if it is not in low..high."""
    if not low <= value <= high:
        raise InvalidArgument(field, value, f"{low} to {high}")
    return value


def check_bounds(
    values: Float32s, low: float, high: float, field_at: Callable[[tuple[int, ...]], str], accepted: str
) -> None:
    """Raises InvalidArgument for the first value that is not in low..high; NaN never is.

    `field_at` returns the request's field of the value at an index of `values`, which must not be empty.
    """
    # NaN passes through min and max and makes either comparison false. A signalling NaN also raises numpy's warning.
    with np.errstate(invalid="ignore"):
        if values.min() >= low and values.max() <= high:
            return
        is_outside = ~((values >= low) & (values <= high))
    place = tuple(int(index) for index in np.argwhere(is_outside)[0])
    raise InvalidArgument(field_at(place), _shortest(values[place]), accepted)


def _shortest(value: np.float32) -> float:
    """Return a number that is shown as its sender wrote it: 1e38 and not 9.999999680285692e+37."""
    return float(str(value))
