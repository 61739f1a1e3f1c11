"""How tokens are chosen, as clients of Triton's vLLM backend write it: a JSON object, numbers also as strings."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.http.parsing import check_structure
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

FIELD = "sampling_parameters"
LOGPROBS = "logprobs"
MAX_BYTES = 64 * 1024
"""More than the largest logit_bias takes; reading it is a millisecond's work."""

_INTEGER = re.compile(r"-?[0-9]{1,20}(\.0{1,20})?")


def read_parameters(text: bytes) -> Mapping[str, Any]:
    """Return the values of a JSON object by name, those that are null left out. Raises InvalidArgument."""
    if len(text) > MAX_BYTES:
        raise InvalidArgument(FIELD, f"{len(text)} bytes", f"up to {MAX_BYTES}")
    check_structure(text)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidArgument(FIELD, text[:40], "a JSON object")
    return {name: value for name, value in values.items() if value is not None}


def fill_sampling(request: ar_pb2.GenerateRequest, values: Mapping[str, Any]) -> None:
    """Put the values into `request`. Raises InvalidArgument for names and types that there are not.

    Ranges are up to the backend.
    """
    for name, value in values.items():
        if name not in NAMES:
            raise InvalidArgument(f"{FIELD}.{name}", value, f"one of the parameters {', '.join(sorted(NAMES))}")
        accepted, read = _READ[name]
        try:
            if name == LOGPROBS:
                request.logprobs, request.top_logprobs = True, read(value)
            else:
                request.sampling.MergeFrom(ar_pb2.SamplingParams(**{name: read(value)}))
        except (ValueError, TypeError, OverflowError):
            raise InvalidArgument(f"{FIELD}.{name}", value, accepted) from None


def to_integer(value: Any) -> int:
    """Return a whole number, which may be written as a text or with zeros behind a point. Raises ValueError."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    return value


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not math.isfinite(number := float(value)):
        raise ValueError
    return number


def _to_bool(value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError
    return value


def _to_top_k(value: Any) -> int:
    return 0 if (top_k := to_integer(value)) == -1 else top_k  # -1 is vLLM's way to keep all


def _to_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError
    return value


def _to_biases(value: Any) -> dict[int, float]:
    if not isinstance(value, dict):
        raise ValueError
    return {to_integer(token): _to_float(bias) for token, bias in value.items()}


_INTEGERS: tuple[str, Callable[[Any], Any]] = ("a whole number that fits", to_integer)
_READ: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("max_tokens", "min_tokens", "seed", "n", "steps", LOGPROBS), _INTEGERS),
    "top_k": (_INTEGERS[0], _to_top_k),
    **dict.fromkeys(("temperature", "top_p", "min_p", "repetition_penalty"), ("a finite number", _to_float)),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), ("a finite number", _to_float)),
    "ignore_eos": ("true or false", _to_bool),
    "stop": ("a text or a list of texts", lambda value: [value] if isinstance(value, str) else _to_list(value)),
    "stop_token_ids": ("a list of whole numbers that fit", lambda value: [*map(to_integer, _to_list(value))]),
    "logit_bias": ("an object of finite numbers by token id", _to_biases),
}
"""What is accepted of each parameter, and the function that makes it the contract's field of the same name."""
NAMES = frozenset(_READ)
"""What there is to set."""
