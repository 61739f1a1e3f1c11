"""What each engine is asked, and which tokens are in what it sends, as recorded from it."""

import json

import pytest

from benchmarks.peers.completions import COMPLETIONS
from benchmarks.peers.engine import Question
from benchmarks.peers.llama_cpp import DIALECT

LLAMA = (
    b'{"choices":[{"text":" Paris","index":0,"logprobs":{"content":[{"id":7042,"token":" Paris","bytes":[32],'
    b'"logprob":-0.1,"top_logprobs":[]}]},"finish_reason":null}],"model":"m","object":"text_completion","id":"cmpl-1"}'
)
LLAMA_END = (
    b'{"choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"length"}],"object":"text_completion",'
    b'"usage":{"completion_tokens":8,"prompt_tokens":5,"total_tokens":13},"id":"cmpl-1"}'
)
VLLM = (
    b'{"id":"cmpl-1","object":"text_completion","model":"m","choices":[{"index":0,"text":" Paris","logprobs":null,'
    b'"finish_reason":null,"prompt_token_ids":[504,3575],"token_ids":[7042,30]}]}'
)
VLLM_END = b'{"id":"cmpl-1","object":"text_completion","choices":[],"usage":{"prompt_tokens":5}}'


@pytest.mark.parametrize(
    ("dialect", "messages", "expected"),
    [
        (DIALECT, [LLAMA, LLAMA, LLAMA_END, b"[DONE]"], [7042, 7042]),
        (COMPLETIONS, [VLLM, VLLM_END, b"[DONE]"], [7042, 30]),
    ],
)
def test_tokens_are_found(dialect, messages, expected):
    assert dialect.tokens(messages) == expected


def test_llama_cpp_uses_its_cache_and_names_tokens_only_when_told():
    plain, told = (json.loads(DIALECT.request(Question([[1]], 1, told, told))) for told in (False, True))
    assert [plain["cache_prompt"], told["cache_prompt"]] == [False, True]
    assert ["n_probs" in plain, "n_probs" in told] == [False, True]


def test_a_batch_is_a_list_of_prompts_and_one_prompt_is_not():
    assert json.loads(COMPLETIONS.request(Question([[1, 2]], 1)))["prompt"] == [1, 2]
    assert json.loads(COMPLETIONS.request(Question([[1, 2], [3, 4]], 1)))["prompt"] == [[1, 2], [3, 4]]
