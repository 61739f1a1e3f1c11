"""From what a Score request brings, texts, token lists or images, to the token sequences to score."""

import asyncio

from runtime.errors import InvalidArgument
from runtime.rpc import Call
from services.ar.image_codec import ImageCodec
from services.ar.prompts import encoded
from services.ar.sequential_model import SequentialModel
from services.ar.text_codec import TextCodec
from services.ar.validation import check_prompt
from services.common.image_messages import checked_classes, decoded_images
from tandem.ar.v1 import ar_pb2

MAX_TEXTS = 256
MAX_IMAGES = 1024
LIST_FIELD = "tokens.token_lists[{}].ids"
TEXT_FIELD = "texts.texts[{}]"


async def scored_content(model: SequentialModel, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
    """Return the sequences, in the order of the request, each of at least two tokens. Raises InvalidArgument."""
    if isinstance(model.codec, ImageCodec):
        return await _pictures(model.codec, request, call)
    return await _texts(model.codec, request, model.vocab_size)


async def _texts(codec: TextCodec, request: ar_pb2.ScoreRequest, vocab_size: int) -> list[list[int]]:
    kind = request.WhichOneof("content")
    if kind == "texts":
        _check_count("texts.texts", len(request.texts.texts), MAX_TEXTS)
        token_lists, field = await encoded(codec, list(request.texts.texts), TEXT_FIELD), TEXT_FIELD
    elif kind == "tokens":
        token_lists, field = _token_lists(request), LIST_FIELD
    else:
        raise _refusal(kind, "texts or tokens", "text")
    for number, token_ids in enumerate(token_lists):
        check_prompt(field.format(number), token_ids, vocab_size, codec.max_context_tokens + 1)
        _check_is_scorable(field.format(number), token_ids)
    return token_lists


async def _pictures(codec: ImageCodec, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
    kind = request.WhichOneof("content")
    if kind == "images":
        return await _images(codec, request.images, call)
    if kind != "tokens":
        raise _refusal(kind, "images or tokens", "images")
    token_lists = _token_lists(request)
    for number, token_ids in enumerate(token_lists):
        codec.check_tokens(LIST_FIELD.format(number), token_ids, codec.num_tokens)
        _check_is_scorable(LIST_FIELD.format(number), token_ids)
    return token_lists


async def _images(codec: ImageCodec, content: ar_pb2.ImageContent, call: Call) -> list[list[int]]:
    if not codec.can_encode:
        raise InvalidArgument("images", "images", "tokens: this model has no token encoder")
    images = await asyncio.to_thread(decoded_images, "images.images", content.images, codec.image, MAX_IMAGES)
    if len(content.labels) != len(images):
        raise InvalidArgument("images.labels", f"{len(content.labels)} labels", f"{len(images)}, one an image")
    labels = checked_classes("images.labels", content.labels, codec.num_classes).tolist()
    pictures = await codec.encode(images, call.deadline, call.owner)
    return [[codec.class_token(label), *codes] for label, codes in zip(labels, pictures, strict=True)]


def _token_lists(request: ar_pb2.ScoreRequest) -> list[list[int]]:
    _check_count("tokens.token_lists", len(request.tokens.token_lists), MAX_TEXTS)
    return [list(prompt.ids) for prompt in request.tokens.token_lists]


def _check_count(field: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise InvalidArgument(field, f"{count} entries", f"1 to {most}")


def _check_is_scorable(field: str, token_ids: list[int]) -> None:
    if len(token_ids) < 2:
        raise InvalidArgument(field, f"{len(token_ids)} token", "at least two tokens: the first has no probability")


def _refusal(kind: str | None, accepted: str, made: str) -> InvalidArgument:
    if kind is None:
        return InvalidArgument("content", None, accepted)
    return InvalidArgument(kind, kind, f"{accepted}: this model makes {made}")
