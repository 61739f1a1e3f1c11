"""Between texts and tokens without a model's computation: what Tokenize, Detokenize and DescribeTokenizer answer."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.call import Call
from services.ar.api.sequential_model import SequentialModel
from services.ar.api.validation import check_token_ids, turns_of
from services.ar.codecs.text_codec import TextCodec
from services.ar.codecs.text_thread import TextThread
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, ReplyTooLarge

Reply = TypeVar("Reply", ar_pb2.TokenizeResponse, ar_pb2.DetokenizeResponse)

_PIECE_TOKENS = 4096
"""How many tokens protobuf gets at a time: while it copies them, no other thread runs."""
_LEAST_TOKEN_BYTES = 3
"""Of a reply, for each token: its id, and the tag and the length of its bytes."""
_ACCEPTED = f"what comes to {MAX_MESSAGE_BYTES} bytes at the most"


async def tokenize(model: SequentialModel, request: ar_pb2.TokenizeRequest, call: Call) -> ar_pb2.TokenizeResponse:
    """Return the content's tokens. Raises InvalidArgument, ReplyTooLarge, ResourceExhausted."""
    kind = request.WhichOneof("content")
    if kind is None:
        raise InvalidArgument("content", None, "text or chat")
    codec, thread = _text(model)
    with_bos = not request.without_bos
    if kind == "text":
        encode = partial(codec.encode, request.text, with_bos=with_bos)
    else:
        turns, is_plain = turns_of(request.chat, codec.max_context_tokens), request.chat.plain_without_template
        encode = partial(codec.encode_chat, turns, with_bos, is_plain_without=is_plain)
    return await thread.run(partial(_tokens, kind, codec, encode), call.deadline, call.owner)


def _tokens(field: str, codec: TextCodec, encode: Callable[[], list[int]]) -> ar_pb2.TokenizeResponse:
    ids = encode()
    if len(ids) * _LEAST_TOKEN_BYTES > MAX_MESSAGE_BYTES:
        raise ReplyTooLarge(field, f"{len(ids)} tokens", _ACCEPTED)
    reply = ar_pb2.TokenizeResponse()
    for start in range(0, len(ids), _PIECE_TOKENS):
        piece = ids[start : start + _PIECE_TOKENS]
        reply.ids.extend(piece)
        reply.tokens.extend(map(codec.token_bytes, piece))
    return _bounded(field, reply)


async def detokenize(
    model: SequentialModel, request: ar_pb2.DetokenizeRequest, call: Call
) -> ar_pb2.DetokenizeResponse:
    """Return the tokens' text. Raises InvalidArgument, ReplyTooLarge, ResourceExhausted."""
    codec, thread = _text(model)
    if not 1 <= len(request.ids) <= model.max_context_tokens:
        raise InvalidArgument("ids", f"{len(request.ids)} ids", f"1 to {model.max_context_tokens}")
    check_token_ids("ids", request.ids, model.description.vocab_size)
    return await thread.run(partial(_decode, codec, list(request.ids)), call.deadline, call.owner)


def _decode(codec: TextCodec, ids: list[int]) -> ar_pb2.DetokenizeResponse:
    reply = ar_pb2.DetokenizeResponse(text=codec.decode(ids), tokens=map(codec.token_bytes, ids))
    return _bounded("ids", reply)


def description(model: SequentialModel) -> ar_pb2.DescribeTokenizerResponse:
    """Return how the model's tokenizer works. Raises InvalidArgument."""
    codec, _ = _text(model)
    return ar_pb2.DescribeTokenizerResponse(
        model=model.name,
        bos_token_id=codec.bos_token_id,
        eos_token_ids=sorted(codec.eos_token_ids),
        special_tokens=codec.special_tokens,
        chat_template=codec.chat_template or "",
    )


def _text(model: SequentialModel) -> tuple[TextCodec, TextThread]:
    codec, thread = model.modality.text_codec, model.modality.text_thread
    if codec is None or thread is None:
        raise InvalidArgument("model", model.name, "a model of texts: this one makes images")
    return codec, thread


def _bounded(field: str, reply: Reply) -> Reply:
    if (size := reply.ByteSize()) > MAX_MESSAGE_BYTES:
        raise ReplyTooLarge(field, f"a reply of {size} bytes", _ACCEPTED)
    return reply
