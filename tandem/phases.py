"""The phases of a request inside a backend, as the contract names them; each is a field of Timings, in seconds."""

from tandem.common.v1 import timings_pb2

TIMINGS_FIELDS = tuple(field.name for field in timings_pb2.Timings.DESCRIPTOR.fields)

_SUFFIX = "_seconds"
_TOTAL = "total_seconds"

BACKEND_PHASES = tuple(
    name.removesuffix(_SUFFIX) for name in TIMINGS_FIELDS if name.endswith(_SUFFIX) and name != _TOTAL
)
"""In the order of a request's life; a paradigm has some of them."""

_FIELD_OF_PHASE = tuple((name, f"{name}{_SUFFIX}") for name in BACKEND_PHASES)


def phase_seconds(timings: object) -> dict[str, float]:
    """Return the phases by name, of a message or anything else with its fields; those of no time are absent."""
    return {name: seconds for name, field in _FIELD_OF_PHASE if (seconds := getattr(timings, field)) > 0.0}
