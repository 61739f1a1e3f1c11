"""A workload as people write it on a command line: `text,tokens=geometric:64,slo=2` or `images,streamed,images=16`."""

from collections.abc import Sequence
from typing import Any

from tandem.measure.scenario import Api, Delivery, Workload
from tandem.shared.errors import ExpectedError
from tandem.shared.validation_errors import explain_errors

KINDS = ("text", "image", "images")
_DELIVERIES = ("streamed", "unary")
_FIELDS = {
    "model": "model",
    "weight": "weight",
    "tokens": "output_tokens",
    "prompt": "prompt_tokens",
    "temperature": "temperature",
    "turns": "turns",
    "think": "think_seconds",
    "common": "common_share",
    "steps": "steps",
    "images": "images",
    "classes": "num_classes",
    "deadline": "deadline_seconds",
    "slo": "slo_seconds",
    "slo-first": "slo_first_output_seconds",
    "cancel": "cancel_share",
    "cancel-after": "cancel_after_seconds",
}
_RANGES = ("cancel-after", "think")
METHOD_KEYS = ("deadline", "slo", "slo-first", "cancel", "cancel-after")
_OF_KIND: dict[str, tuple[str, ...]] = {
    "tokens": ("text",),
    "prompt": ("text",),
    **dict.fromkeys(("temperature", "turns", "think", "common"), ("text",)),
    "steps": ("image",),
    "images": ("images",),
    "classes": ("image", "images"),
}
SYNTAX = f"KIND[,streamed|unary][,KEY=VALUE...]; KIND: {', '.join(KINDS)}; KEY: {', '.join(_FIELDS)}"


def parse_workload(text: str, api: Api = "tandem", model: str = "") -> Workload:
    """Return the workload; `model` is that of a workload that names none.

    Raises ValueError that names what is not accepted, and what is.
    """
    kind, *words = text.split(",")
    if kind not in KINDS:
        raise ExpectedError(f"{text!r}: {kind!r} is no kind of workload; it is {', '.join(KINDS)}")
    is_streamed = kind == "text" or (kind == "image" and api in ("tandem", "oip"))
    usual = "streamed" if is_streamed else "unary"
    delivery = [usual, *(word for word in words if word in _DELIVERIES)][-1]
    values = {"kind": kind, "delivery": delivery, "api": api, "model": model}
    keys = [key for key in _FIELDS if kind in _OF_KIND.get(key, (kind,))]
    settings = [word for word in words if word not in _DELIVERIES]
    return _workload(text, values, settings, keys, f"{kind}: {SYNTAX}")


def parse_method(text: str, delivery: Delivery) -> Workload:
    """Return the workload of package.Service/Method[,KEY=VALUE...]. Raises ValueError."""
    name, *words = text.split(",")
    values = {"kind": "method", "method": name, "delivery": delivery}
    return _workload(text, values, words, METHOD_KEYS, f"a method: KEY=VALUE; KEY: {', '.join(METHOD_KEYS)}")


def _workload(text: str, values: dict[str, Any], words: list[str], keys: Sequence[str], syntax: str) -> Workload:
    """Return the workload of `values` and what KEY=VALUE say; of LOW:HIGH both ends, a single value being both."""
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in keys:
            raise ExpectedError(f"{text!r}: {word!r} is not accepted for {syntax}")
        low, colon, high = value.partition(":")
        values[_FIELDS[key]] = (low, high if colon else low) if key in _RANGES else value
    with explain_errors(f"{text!r}: "):
        return Workload(**values)
