"""What each engine is asked, and which tokens are in what it sends, as recorded from it."""

import json

from benchmarks.peers.completions import COMPLETIONS
from benchmarks.peers.engine import Question

VLLM = (
    b'{"id":"cmpl-1","object":"text_completion","model":"m","choices":[{"index":0,"text":" Paris","logprobs":null,'
    b'"finish_reason":null,"prompt_token_ids":[504,3575],"token_ids":[7042,30]}]}'
)
VLLM_END = b'{"id":"cmpl-1","object":"text_completion","choices":[],"usage":{"prompt_tokens":5}}'


def test_tokens_are_found():
    assert COMPLETIONS.tokens([VLLM, VLLM_END, b"[DONE]"]) == [7042, 30]


def test_a_batch_is_a_list_of_prompts_and_one_prompt_is_not():
    assert json.loads(COMPLETIONS.request(Question([[1, 2]], 1)))["prompt"] == [1, 2]
    assert json.loads(COMPLETIONS.request(Question([[1, 2], [3, 4]], 1)))["prompt"] == [[1, 2], [3, 4]]
