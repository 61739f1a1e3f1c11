"""POST /v1/completions: prompts to generations, tokens to choices."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from gateway.http.in_thread import in_thread_if
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Catalogue
from gateway.protocols.openai.exchange import DONE, OpenAiExchange, event
from gateway.protocols.openai.merged import all_of, merged
from gateway.protocols.openai.replies.completion import Completion, CompletionChoice
from gateway.protocols.openai.replies.reply import Usage, encoded_with
from gateway.protocols.openai.requests.completion import CompletionBody
from gateway.protocols.openai.text.consumed import Consumed
from gateway.protocols.openai.text.continuation import Continuation
from gateway.protocols.openai.text.head import Head, new_head, with_fingerprints


class Completions:
    """An operation of endpoint.py."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, body: CompletionBody, calls: Calls, exchange: OpenAiExchange) -> None:
        """Answer in one piece or in chunks. Raises TandemError."""
        model = self._catalogue.text(body.model)
        head = new_head("cmpl", self._catalogue, model)
        prompts = [Continuation(body, model, calls, place, prompt) for place, prompt in enumerate(body.prompts)]
        if body.stream:
            await _stream(body, head, prompts, exchange)
        else:
            await exchange.reply_encoded(await _whole(body, head, prompts))


async def _whole(body: CompletionBody, head: Head, prompts: Sequence[Continuation]) -> bytes:
    consumed = Consumed()
    found = await all_of([each.choices(consumed) for each in prompts])
    choices = [choice for of_prompt in found for choice in of_prompt]
    fields = with_fingerprints(head, consumed.fingerprints)
    empty = Completion(**fields, object="text_completion", choices=[], usage=consumed.usage())
    return await in_thread_if(body.logprobs is not None, encoded_with, empty, choices)


async def _stream(body: CompletionBody, head: Head, prompts: Sequence[Continuation], exchange: OpenAiExchange) -> None:
    consumed, without_usage = Consumed(), {"usage": None} if body.includes_usage else {}

    def chunk(choices: list[CompletionChoice], **usage: Usage | None) -> bytes:
        return event(Completion(**head, object="text_completion", choices=choices, **usage).encoded())

    async with contextlib.aclosing(merged([each.stream(consumed) for each in prompts])) as parts:
        async for choice, usage in parts:
            await exchange.events(chunk([choice], **(usage or without_usage)))
    last = chunk([], usage=consumed.usage()) if body.includes_usage else b""
    await exchange.end(last + DONE)
