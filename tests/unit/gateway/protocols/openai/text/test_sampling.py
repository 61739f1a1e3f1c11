"""Fields of both bodies come to the SamplingParams of the contract."""

from typing import Any

import pytest

from gateway.protocols.openai.text.completion import CompletionBody
from tandem.ar.v1 import ar_pb2


def body(**fields: Any) -> CompletionBody:
    return CompletionBody(prompt="a", **fields)


def test_what_is_absent_or_null_is_left_to_the_backend() -> None:
    assert body(temperature=None, stop=None, seed=None).sampling(None) == ar_pb2.SamplingParams()


def test_every_field_has_its_place() -> None:
    given = body(
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        min_p=0.1,
        repetition_penalty=1.5,
        presence_penalty=1.0,
        frequency_penalty=-1.0,
        seed=-1,
        n=2,
        min_tokens=1,
        stop="x",
        stop_token_ids=[4, 5],
        logit_bias={"7": -2.0},
        ignore_eos=True,
    )
    expected = ar_pb2.SamplingParams(
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        min_p=0.1,
        repetition_penalty=1.5,
        presence_penalty=1.0,
        frequency_penalty=-1.0,
        seed=2**64 - 1,
        n=2,
        min_tokens=1,
        max_tokens=9,
        stop=["x"],
        stop_token_ids=[4, 5],
        logit_bias={7: -2.0},
        ignore_eos=True,
    )
    assert given.sampling(9) == expected
    others = [
        each
        for each in ar_pb2.SamplingParams.DESCRIPTOR.fields
        if (each.containing_oneof is None or len(each.containing_oneof.fields) == 1)
        and each.name != "steps"  # of images
    ]
    assert len(expected.ListFields()) == len(others)


@pytest.mark.parametrize("top_k", [-1, 0])
def test_all_tokens_are_kept_as_vllm_says_it(top_k: int) -> None:
    assert body(top_k=top_k).sampling(None).top_k == 0
