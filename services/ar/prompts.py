"""From a request's prompt field, whichever it is, to token ids."""

import asyncio

from runtime.errors import InvalidArgument
from services.ar.image_codec import ImageCodec
from services.ar.sequential_model import SequentialModel
from services.ar.text_codec import TextCodec
from services.ar.validation import check_prompt
from tandem.ar.v1 import ar_pb2

# Longer texts are tokenised in a thread, so that other streams go on meanwhile.
_MAX_CHARACTERS_INLINE = 4096


async def generate_prompt(model: SequentialModel, request: ar_pb2.GenerateRequest) -> list[int]:
    """Return the prompt's tokens, checked against what the model takes. Raises InvalidArgument."""
    if isinstance(model.codec, ImageCodec):
        return _image_prompt(model.codec, request)
    token_ids = await _text_prompt(model.codec, request)
    kind = request.WhichOneof("prompt") or "prompt"
    check_prompt(kind, token_ids, model.vocab_size, model.max_context_tokens)
    return token_ids


def _image_prompt(codec: ImageCodec, request: ar_pb2.GenerateRequest) -> list[int]:
    kind = request.WhichOneof("prompt")
    if kind == "class_label":
        if not 0 <= request.class_label < codec.num_classes:
            raise InvalidArgument("class_label", request.class_label, f"0 to {codec.num_classes - 1}")
        return [codec.class_token(request.class_label)]
    if kind == "tokens":
        token_ids = list(request.tokens.ids)
        codec.check_tokens("tokens", token_ids, codec.num_tokens - 1)
        return token_ids
    accepted = "class_label or tokens"
    if kind is None:
        raise InvalidArgument("prompt", None, accepted)
    raise InvalidArgument(kind, "a text prompt", f"{accepted}: this model makes images")


async def _text_prompt(codec: TextCodec, request: ar_pb2.GenerateRequest) -> list[int]:
    kind = request.WhichOneof("prompt")
    if kind == "text":
        return (await encoded(codec, [request.text], "text"))[0]
    if kind == "chat":
        turns = [(message.role, message.content) for message in request.chat.messages]
        return await asyncio.to_thread(codec.encode_chat, turns)
    if kind == "tokens":
        return list(request.tokens.ids)
    accepted = "text, chat or tokens"
    if kind is None:
        raise InvalidArgument("prompt", None, accepted)
    raise InvalidArgument(kind, request.class_label, f"{accepted}: this model makes text")


async def encoded(codec: TextCodec, texts: list[str], field: str) -> list[list[int]]:
    """Return the tokens of each text; `field` names one in errors, and may have a place for its number."""

    def encode() -> list[list[int]]:
        return [codec.encode(text, field.format(number)) for number, text in enumerate(texts)]

    if sum(map(len, texts)) <= _MAX_CHARACTERS_INLINE:
        return encode()
    return await asyncio.to_thread(encode)
