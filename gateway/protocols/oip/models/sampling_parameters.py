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

_WHOLE = re.compile(r"-?[0-9]{1,20}(\.0{1,20})?")


def read_parameters(text: bytes) -> Mapping[str, Any]:
    """Return the values of a JSON object by name, those that are null left out. Raises InvalidArgument."""
    if len(text) > MAX_BYTES:
        raise InvalidArgument(FIELD, f"{len(text)} bytes", f"up to {MAX_BYTES}")
    check_structure(text)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidArgument(FIELD, text[:40], "a JSON object")
    return {name: value for name, value in found.items() if value is not None}


def fill_sampling(request: ar_pb2.GenerateRequest, values: Mapping[str, Any]) -> None:
    """Put the values into `request`. Raises InvalidArgument for names and types that there are not.

    Ranges are up to the backend.
    """
    for name, value in values.items():
        if name != LOGPROBS and name not in _FILL:
            raise InvalidArgument(f"{FIELD}.{name}", value, f"one of the parameters {', '.join(sorted(NAMES))}")
        try:
            if name == LOGPROBS:
                request.logprobs, request.top_logprobs = True, whole(value)
            else:
                _FILL[name](request.sampling, name, value)
        except (ValueError, TypeError, OverflowError):
            raise InvalidArgument(f"{FIELD}.{name}", value, _accepted(name)) from None


def whole(value: Any) -> int:
    """Return a whole number, which may be written as a text or with zeros behind a point. Raises ValueError."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value.partition(".")[0])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    if not math.isfinite(number := float(value)):
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError
    return value


def _set_whole(params: Any, name: str, value: Any) -> None:
    setattr(params, name, whole(value))


def _set_top_k(params: Any, name: str, value: Any) -> None:
    params.top_k = max(0, top_k) if (top_k := whole(value)) >= -1 else top_k  # -1 is vLLM's way to keep all


def _set_number(params: Any, name: str, value: Any) -> None:
    setattr(params, name, _number(value))


def _set_truth(params: Any, name: str, value: Any) -> None:
    setattr(params, name, _truth(value))


def _add_texts(params: Any, name: str, value: Any) -> None:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise ValueError
    getattr(params, name).extend(texts)


def _add_whole(params: Any, name: str, value: Any) -> None:
    if not isinstance(value, list):
        raise ValueError
    getattr(params, name).extend([whole(each) for each in value])


def _set_biases(params: Any, name: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError
    for token, bias in value.items():
        params.logit_bias[whole(token)] = _number(bias)


_FILL: Mapping[str, Callable[[Any, str, Any], None]] = {
    **dict.fromkeys(("max_tokens", "min_tokens", "seed", "n", "steps"), _set_whole),
    **dict.fromkeys(("temperature", "top_p", "min_p", "repetition_penalty"), _set_number),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), _set_number),
    "top_k": _set_top_k,
    "ignore_eos": _set_truth,
    "stop": _add_texts,
    "stop_token_ids": _add_whole,
    "logit_bias": _set_biases,
}
NAMES = frozenset({*_FILL, LOGPROBS})
"""What there is to set."""


_KINDS: Mapping[Callable[[Any, str, Any], None], str] = {
    _set_number: "a finite number",
    _set_truth: "true or false",
    _add_texts: "a text or a list of texts",
    _add_whole: "a list of whole numbers that fit",
    _set_biases: "an object of finite numbers by token id",
}


def _accepted(name: str) -> str:
    fill = _FILL.get(name, _set_whole)
    return _KINDS.get(fill, "a whole number that fits")
