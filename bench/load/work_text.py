"""A work as people write it on a command line: `text,tokens=geometric:64,slo=2` or `images,streamed,images=16`."""

from typing import Any

from pydantic import ValidationError

from bench.load.scenario import Work
from bench.load.setting_errors import explained

KINDS = ("text", "picture", "images")
_USUAL_DELIVERY = {"text": "streamed", "picture": "streamed", "images": "unary"}
_DELIVERIES = ("streamed", "unary")
_FIELDS = {
    "model": "model",
    "weight": "weight",
    "tokens": "output_tokens",
    "prompt": "prompt_tokens",
    "images": "images",
    "deadline": "deadline_seconds",
    "slo": "slo_seconds",
    "slo-first": "slo_first_output_seconds",
    "cancel": "cancel_share",
    "cancel-after": "cancel_after_seconds",
}
_OF_KIND = {"tokens": "text", "prompt": "text", "images": "images"}
SYNTAX = f"KIND[,streamed|unary][,KEY=VALUE...]; KIND: {', '.join(KINDS)}; KEY: {', '.join(_FIELDS)}"


def parse_work(text: str) -> Work:
    """Return the work. Raises ValueError that names what is not accepted, and what is."""
    kind, *words = text.split(",")
    if kind not in KINDS:
        raise ValueError(f"{text!r}: {kind!r} is no kind of work; it is {', '.join(KINDS)}")
    values: dict[str, Any] = {"kind": kind, "delivery": _USUAL_DELIVERY[kind]}
    for word in words:
        key, equals, value = word.partition("=")
        if word in _DELIVERIES:
            values["delivery"] = word
        elif equals and key in _FIELDS and _OF_KIND.get(key, kind) == kind:
            values[_FIELDS[key]] = _range(value) if key == "cancel-after" else value
        else:
            raise ValueError(f"{text!r}: {word!r} is not accepted for {kind}: {SYNTAX}")
    try:
        return Work(**values)
    except ValidationError as error:
        raise ValueError(f"{text!r}: {explained(error)}") from None


def _range(value: str) -> tuple[str, str]:
    """Return the two ends of LOW:HIGH; a single value is both."""
    low, colon, high = value.partition(":")
    return low, high if colon else low
