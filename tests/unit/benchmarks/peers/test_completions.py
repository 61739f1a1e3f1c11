"""What each engine sends, as recorded from it, and which tokens are in it."""

import json

import pytest

from benchmarks.peers.completions import COMPLETIONS
from benchmarks.peers.llama_cpp import DIALECT

LLAMA = '{"index":0,"content":" Paris","tokens":[7042],"stop":false,"id_slot":-1,"tokens_predicted":1}'
LLAMA_END = '{"index":0,"content":"","tokens":[],"id_slot":7,"stop":true,"tokens_predicted":8,"stop_type":"limit"}'
VLLM = (
    '{"id":"cmpl-1","object":"text_completion","model":"m","choices":[{"index":1,"text":" Paris","logprobs":null,'
    '"finish_reason":null,"prompt_token_ids":[504,3575],"token_ids":[7042,30]}]}'
)
VLLM_END = '{"id":"cmpl-1","object":"text_completion","choices":[],"usage":{"prompt_tokens":5}}'


@pytest.mark.parametrize(
    ("dialect", "event", "expected"),
    [
        (DIALECT, LLAMA, [(0, [7042])]),
        (DIALECT, LLAMA_END, []),
        (COMPLETIONS, VLLM, [(1, [7042, 30])]),
        (COMPLETIONS, VLLM_END, []),
    ],
)
def test_tokens_are_found(dialect, event, expected):
    assert dialect.arrivals(json.loads(event)) == expected


def test_llama_cpp_uses_its_cache_only_when_told():
    assert [DIALECT.body([[1]], 1, use)["cache_prompt"] for use in (False, True)] == [False, True]


def test_a_batch_is_a_list_of_prompts_and_one_prompt_is_not():
    assert COMPLETIONS.body([[1, 2]], 1, False)["prompt"] == [1, 2]
    assert COMPLETIONS.body([[1, 2], [3, 4]], 1, False)["prompt"] == [[1, 2], [3, 4]]
