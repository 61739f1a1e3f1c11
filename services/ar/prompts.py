"""From a request's prompt field, whichever it is, to token ids."""

import asyncio

from runtime.errors import InvalidArgument
from services.ar.language_model import LanguageModel
from services.ar.validation import check_prompt
from tandem.ar.v1 import ar_pb2

# Longer texts are tokenised in a thread, so that other streams go on meanwhile.
_MAX_CHARACTERS_INLINE = 4096


async def generate_prompt(model: LanguageModel, request: ar_pb2.GenerateRequest) -> list[int]:
    """Return the prompt's tokens, checked against vocabulary and context. Raises InvalidArgument."""
    kind = request.WhichOneof("prompt")
    if kind == "text":
        token_ids = await _encode(model, request.text)
    elif kind == "chat":
        turns = [(message.role, message.content) for message in request.chat.messages]
        token_ids = await asyncio.to_thread(model.codec.encode_chat, turns)
    elif kind == "tokens":
        token_ids = list(request.tokens.ids)
    elif kind == "class_label":
        raise InvalidArgument("class_label", request.class_label, "text, chat or tokens: this model makes text")
    else:
        raise InvalidArgument("prompt", None, "text, chat or tokens")
    check_prompt(kind, token_ids, model.vocab_size, model.max_context_tokens)
    return token_ids


async def score_content(model: LanguageModel, request: ar_pb2.ScoreRequest) -> list[int]:
    """Return the tokens to score, at least two. Raises InvalidArgument."""
    kind = request.WhichOneof("content")
    if kind is None:
        raise InvalidArgument("content", None, "text or tokens")
    token_ids = await _encode(model, request.text) if kind == "text" else list(request.tokens.ids)
    check_prompt(kind, token_ids, model.vocab_size, model.max_context_tokens + 1)
    if len(token_ids) < 2:
        raise InvalidArgument(kind, f"{len(token_ids)} token", "at least two tokens: the first has no probability")
    return token_ids


async def _encode(model: LanguageModel, text: str) -> list[int]:
    if len(text) <= _MAX_CHARACTERS_INLINE:
        return model.codec.encode(text)
    return await asyncio.to_thread(model.codec.encode, text)
