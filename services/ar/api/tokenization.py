"""Between texts and tokens without a model's computation: what Tokenize, Detokenize and DescribeTokenizer answer."""

import asyncio
from typing import TypeVar

from runtime.errors import InvalidArgument, ReplyTooLarge
from runtime.limits import MAX_MESSAGE_BYTES
from services.ar.api.sequential_model import SequentialModel
from services.ar.api.validation import check_token_ids
from services.ar.codecs.text_codec import TextCodec
from tandem.ar.v1 import ar_pb2

Reply = TypeVar("Reply", ar_pb2.TokenizeResponse, ar_pb2.DetokenizeResponse)


async def tokenized(model: SequentialModel, request: ar_pb2.TokenizeRequest) -> ar_pb2.TokenizeResponse:
    """Return the content's tokens. Raises InvalidArgument, ReplyTooLarge."""
    kind = request.WhichOneof("content")
    if kind is None:
        raise InvalidArgument("content", None, "text or chat")
    codec = _text_codec(model)
    return _bounded(kind, await asyncio.to_thread(_tokenized, codec, request))


def _tokenized(codec: TextCodec, request: ar_pb2.TokenizeRequest) -> ar_pb2.TokenizeResponse:
    with_bos = not request.without_bos
    if request.WhichOneof("content") == "text":
        ids = codec.encode(request.text, with_bos=with_bos)
    else:
        ids = codec.encode_chat([(each.role, each.content) for each in request.chat.messages], with_bos)
    return ar_pb2.TokenizeResponse(ids=ids, tokens=[codec.token_bytes(token_id) for token_id in ids])


async def detokenized(model: SequentialModel, request: ar_pb2.DetokenizeRequest) -> ar_pb2.DetokenizeResponse:
    """Return the tokens' text. Raises InvalidArgument, ReplyTooLarge."""
    codec = _text_codec(model)
    if not 1 <= len(request.ids) <= model.max_context_tokens:
        raise InvalidArgument("ids", f"{len(request.ids)} ids", f"1 to {model.max_context_tokens}")
    check_token_ids("ids", request.ids, model.description.vocab_size)
    text = await asyncio.to_thread(codec.decode, list(request.ids))
    return _bounded("ids", ar_pb2.DetokenizeResponse(text=text, tokens=map(codec.token_bytes, request.ids)))


def description(model: SequentialModel) -> ar_pb2.DescribeTokenizerResponse:
    """Return how the model's tokenizer works. Raises InvalidArgument."""
    codec = _text_codec(model)
    return ar_pb2.DescribeTokenizerResponse(
        model=model.name,
        bos_token_id=codec.bos_token_id,
        eos_token_ids=sorted(codec.eos_token_ids),
        special_tokens=codec.special_tokens,
        chat_template=codec.chat_template or "",
    )


def _text_codec(model: SequentialModel) -> TextCodec:
    if (codec := model.modality.text_codec) is None:
        raise InvalidArgument("model", model.name, "a model of texts: this one makes images")
    return codec


def _bounded(field: str, reply: Reply) -> Reply:
    if (size := reply.ByteSize()) > MAX_MESSAGE_BYTES:
        raise ReplyTooLarge(field, f"a reply of {size} bytes", f"what comes to {MAX_MESSAGE_BYTES} bytes at the most")
    return reply
