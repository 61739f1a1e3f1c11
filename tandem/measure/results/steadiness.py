"""What a run says of its own steadiness: whether the server kept up, and how far equal things differ."""

from tandem.measure.results.part import Part
from tandem.measure.results.value import Value


class Backlog(Part):
    """`slope_per_second`: how many requests more each second, with a confidence of 99 %.

    `grows`: the whole interval is above zero, so the server does not keep up.
    """

    mean: float
    slope_per_second: Value
    grows: bool


class Difference(Part):
    """Of one figure of a stream: `ratio` of B to A, which should be 1, and the `least` relative difference between two
    runs that is more than chance, with a confidence of 95 %.
    """

    stream: str
    figure: str
    ratio: float
    least: float


class Control(Part):
    """`num_pairs` slices of A and of B, of so many seconds or requests each."""

    num_pairs: int
    slice_seconds: float | None
    slice_requests: int | None
    differences: tuple[Difference, ...]
