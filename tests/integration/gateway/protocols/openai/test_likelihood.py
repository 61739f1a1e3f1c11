"""Evaluators read likelihoods in an echo: they are those of Score, and a greedy token is the best there is."""

from __future__ import annotations

import math
from typing import Any

import httpx

from tandem.ar.v1 import ar_pb2
from tandem.measure.prompts import PROMPTS
from tests.integration.gateway.protocols.backends import TEXT
from tests.integration.gateway.protocols.openai.events import Stubs


def texts(count: int) -> list[str]:
    """Return texts that all differ."""
    return [
        f"{PROMPTS[number % len(PROMPTS)]} {number}: the clocks, {'and so on ' * (number % 7)}"
        for number in range(count)
    ]


async def asked(http: httpx.AsyncClient, model: str, prompts: list[list[int]]) -> list[dict[str, Any]]:
    """Ask as lm-eval's local-completions does."""
    body = {
        "model": model,
        "prompt": prompts,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 1,
        "echo": True,
        "seed": 1,
    }
    response = await http.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    choices: list[dict[str, Any]] = response.json()["choices"]
    return choices


async def check(http: httpx.AsyncClient, stubs: Stubs, model: str, contents: list[str], num_context: int) -> int:
    """Compare the likelihoods of `contents` after their first tokens; return how many tokens were the greedy ones."""
    num_greedy = 0
    for start in range(0, len(contents), 50):
        batch = contents[start : start + 50]
        prompts = [
            (await http.post("/tokenize", json={"model": model, "prompt": text})).json()["tokens"] for text in batch
        ]
        content = ar_pb2.TextContent(texts=batch)
        scores = await stubs.ar.Score(ar_pb2.ScoreRequest(model=model, texts=content, top_logprobs=1))
        choices = await asked(http, model, prompts)
        for ids, score, choice in zip(prompts, scores.likelihoods, choices, strict=True):
            table = choice["logprobs"]
            assert {len(values) for values in table.values()} == {len(ids) + 1}
            assert (table["token_logprobs"][0], table["top_logprobs"][0]) == (None, None)
            assert table["token_logprobs"][1:-1] == [entry.logprob for entry in score.tokens]
            assert math.fsum(table["token_logprobs"][1:-1]) == score.total_logprob
            for value, top, entry in zip(
                table["token_logprobs"][num_context:-1],
                table["top_logprobs"][num_context:-1],
                list(score.tokens)[num_context - 1 :],
                strict=True,
            ):
                is_greedy = entry.alternatives[0].token_id == entry.token_id
                assert (value == max(top.values())) is is_greedy
                num_greedy += is_greedy
            assert table["token_logprobs"][-1] == max(table["top_logprobs"][-1].values())
    return num_greedy


async def test_the_likelihood_of_200_texts_is_score_s(http: httpx.AsyncClient, stubs: Stubs) -> None:
    await check(http, stubs, TEXT, [text[:150] for text in texts(200)], num_context=3)


async def test_a_prompt_alone_is_scored_without_output(http: httpx.AsyncClient, stubs: Stubs) -> None:
    body = {"prompt": "The two clocks", "max_tokens": 0, "logprobs": 2, "echo": True, "n": 2}
    reply = (await http.post("/v1/completions", json=body)).json()
    score = await stubs.ar.Score(ar_pb2.ScoreRequest(model=TEXT, texts=ar_pb2.TextContent(texts=["The two clocks"])))
    assert [choice["index"] for choice in reply["choices"]] == [0, 1]
    for choice in reply["choices"]:
        assert choice["text"] == "The two clocks"
        assert choice["logprobs"]["token_logprobs"][1:] == [entry.logprob for entry in score.likelihoods[0].tokens]
    assert reply["usage"]["completion_tokens"] == 0
    assert reply["usage"]["prompt_tokens"] == 1 + len(score.likelihoods[0].tokens)


async def test_a_prompt_of_one_token_has_no_probability(http: httpx.AsyncClient) -> None:
    [choice] = await asked(http, TEXT, [[40]])
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert len(choice["logprobs"]["tokens"]) == 2
