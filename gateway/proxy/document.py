"""The plain values that Envoy's configuration is made of: what json.dumps takes, with the names of Envoy's API."""

from typing import Any

Json = dict[str, Any]

_TYPES = "type.googleapis.com/envoy."


def typed(type_name: str, **fields: Any) -> Json:
    """Return a google.protobuf.Any: `type_name` without its leading "envoy.", and the fields of that message."""
    return {"@type": _TYPES + type_name, **fields}


def extension(name: str, type_name: str, **fields: Any) -> Json:
    """Return an extension under the name by which Envoy's own documentation calls it."""
    return {"name": name, "typed_config": typed(type_name, **fields)}


def seconds(value: float) -> str:
    """Return a google.protobuf.Duration as JSON has it, exact to a millisecond."""
    return f"{value:.3f}".rstrip("0").rstrip(".") + "s"


def percent(value: float) -> Json:
    """Return an envoy.type.v3.Percent of 0 to 100."""
    return {"value": value}
