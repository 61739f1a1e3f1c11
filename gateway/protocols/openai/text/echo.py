"""The prompt as part of a completion: its text, and the log-probabilities of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.protocols.catalogue import Served
from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.text.token_table import TokenTable
from tandem.ar.v1 import ar_pb2

Prompt = str | list[int]


@dataclass(frozen=True)
class Echo:
    """A prompt's text and its tokens; `scored` has a TokenLogprob for every token but the first, if asked for."""

    text: str
    ids: Sequence[int]
    tokens: Sequence[bytes]
    scored: Sequence[Any]
    begins_with_text: bool
    """Whether the first token is a part of the text, and not one that the model puts before it."""

    def enter(self, table: TokenTable) -> None:
        """Add the tokens to a table."""
        table.add_first(self.tokens[0], self.begins_with_text)
        table.add(self.scored, is_text=True)


async def read_echo(
    prompt: Prompt, top_logprobs: int | None, calls: Calls, model: Served, names: Names, is_alone: bool = False
) -> Echo:
    """Return what an echo shows; with log-probabilities unless `top_logprobs` is None. Raises TandemError.

    `is_alone` says that no generation follows: then the first call costs the prompt's request, and its scoring nothing.
    """
    if isinstance(prompt, str):
        of_text = ar_pb2.TokenizeRequest(model=model.name, text=prompt)
        cut = await calls.unary("Tokenize", of_text, names, is_aid=not is_alone)
        text, ids = prompt, list(cut.ids)
    else:
        of_ids = ar_pb2.DetokenizeRequest(model=model.name, ids=prompt)
        cut = await calls.unary("Detokenize", of_ids, names, is_aid=not is_alone)
        text, ids = cut.text, prompt
    scored = await _score(ids, top_logprobs, calls, model, names, is_alone)
    # What the text does not begin with was put before it.
    begins_with_text = not isinstance(prompt, str) or prompt.encode().startswith(cut.tokens[0])
    return Echo(text, ids, list(cut.tokens), scored, begins_with_text)


async def _score(
    ids: Sequence[int], top_logprobs: int | None, calls: Calls, model: Served, names: Names, is_alone: bool
) -> Sequence[Any]:
    if top_logprobs is None or len(ids) < 2:
        return ()
    content = ar_pb2.TokenContent(token_lists=[ar_pb2.TokenPrompt(ids=ids)])
    request = ar_pb2.ScoreRequest(model=model.name, tokens=content, top_logprobs=top_logprobs)
    reply = await calls.unary("Score", request, names, is_aid=is_alone)
    scored: Sequence[Any] = reply.likelihoods[0].tokens
    return scored
