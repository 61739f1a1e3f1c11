"""How tokens are chosen, as clients of Triton's vLLM backend write it: a JSON object, numbers also as strings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, FiniteFloat, TypeAdapter

from gateway.http.parsing import check_structure
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

FIELD = "sampling_parameters"
LOGPROBS = "logprobs"
MAX_BYTES = 64 * 1024
"""More than the largest logit_bias takes; reading it is a millisecond's work."""


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
        accepted, adapter = _READ[name]
        try:
            read = adapter.validate_python(value)
            if name == LOGPROBS:
                request.logprobs, request.top_logprobs = True, read
            else:
                request.sampling.MergeFrom(ar_pb2.SamplingParams(**{name: read}))
        except ValueError:  # of a type that does not fit, or a number that does not fit the contract's
            raise InvalidArgument(f"{FIELD}.{name}", value, accepted) from None


def _refuse_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number")
    return value


_Integer = Annotated[int, BeforeValidator(_refuse_boolean)]  # also as a text, or with zeros behind a point
_Number = Annotated[FiniteFloat, BeforeValidator(_refuse_boolean)]
_TopK = Annotated[_Integer, AfterValidator(lambda top_k: 0 if top_k == -1 else top_k)]  # vLLM's way to keep all
_Texts = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]

INTEGER: TypeAdapter[int] = TypeAdapter(_Integer)
_WHOLE, _FINITE = ("a whole number that fits", INTEGER), ("a finite number", TypeAdapter(_Number))
_READ: Mapping[str, tuple[str, TypeAdapter[Any]]] = {
    **dict.fromkeys(("max_tokens", "min_tokens", "seed", "n", "steps", "tokens_per_step", LOGPROBS), _WHOLE),
    "top_k": (_WHOLE[0], TypeAdapter(_TopK)),
    **dict.fromkeys(("temperature", "top_p", "min_p", "repetition_penalty"), _FINITE),
    **dict.fromkeys(("presence_penalty", "frequency_penalty"), _FINITE),
    "ignore_eos": ("true or false", TypeAdapter(bool)),
    "stop": ("a text or a list of texts", TypeAdapter(_Texts)),
    "stop_token_ids": ("a list of whole numbers that fit", TypeAdapter(list[_Integer])),
    "logit_bias": ("an object of finite numbers by token id", TypeAdapter(dict[_Integer, _Number])),
}
"""What is accepted of each parameter, and what makes it the contract's field of the same name."""
NAMES = frozenset(_READ)
"""What there is to set."""
