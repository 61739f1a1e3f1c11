"""Sampling parameters as clients write them: numbers also as texts; what is wrong is told by its name."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.oip.models.sampling_parameters import fill_sampling, read_parameters
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


def filled(**values: Any) -> ar_pb2.GenerateRequest:
    request = ar_pb2.GenerateRequest()
    fill_sampling(request, read_parameters(json.dumps(values).encode()))
    return request


@pytest.mark.parametrize("convert", [lambda value: value, str])
def test_numbers_and_their_texts(convert: Any) -> None:
    whole = {"max_tokens": 64, "min_tokens": 2, "seed": 2**64 - 1, "n": 3, "top_k": 5}
    broken = {"temperature": 0.5, "top_p": 0.25, "min_p": 0.125, "repetition_penalty": 1.5, "presence_penalty": -0.5}
    params = filled(**{name: convert(value) for name, value in {**whole, **broken}.items()}).sampling
    assert {name: getattr(params, name) for name in (*whole, *broken)} == {**whole, **broken}


def test_what_is_left_out_is_absent() -> None:
    assert filled(temperature=None) == ar_pb2.GenerateRequest()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("top_k", -1, 0),
        ("top_k", "-1", 0),
        ("top_k", -2, -2),
        ("max_tokens", 64.0, 64),
        ("max_tokens", "64.0", 64),
        ("ignore_eos", True, True),
        ("ignore_eos", "True", True),
        ("ignore_eos", "0", False),
        ("stop", "a", ["a"]),
        ("stop", ["a", "b"], ["a", "b"]),
        ("stop_token_ids", ["1", 2], [1, 2]),
        ("logit_bias", {"7": "1.5"}, {7: 1.5}),
    ],
)
def test_one_value(name: str, value: Any, expected: Any) -> None:
    found = getattr(filled(**{name: value}).sampling, name)
    assert (dict(found) if isinstance(expected, dict) else list(found) if isinstance(expected, list) else found) == (
        expected
    )


def test_log_probabilities_are_of_the_request() -> None:
    request = filled(logprobs="3")
    assert (request.logprobs, request.top_logprobs) == (True, 3)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_NAMES = (
    *("max_tokens", "seed", "temperature", "top_k", "ignore_eos"),
    *("stop", "stop_token_ids", "logit_bias", "logprobs"),
)


@given(st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=5), _JSON, max_size=4))
def test_any_values_are_taken_or_refused(values: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidArgument):
        filled(**values)
