"""Models of text: prompts and texts to score, as plain text, as a chat, or as tokens; their tokenizer by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.rpc.call import Call
from services.ar.api.calls import CallReader
from services.ar.api.sequential_model import LIST_FIELD, MAX_TEXTS, SequentialModel, check_count, check_is_scorable
from services.ar.api.tools import tool_use, turns_of
from services.ar.api.validation import (
    DEFAULT_MAX_TOKENS,
    MAX_TOKENS_PER_STEP,
    check_prompt,
    check_token_ids,
    constraint_of,
)
from services.ar.codecs.text_codec import TextCodec
from services.ar.constraints.calls import calls_constraint
from services.ar.constraints.compiler import Compilations
from services.ar.engine.engine import Engine
from services.ar.engine.groups import TokenGroups, equal_ends, spread_order
from services.ar.engine.sequence import SamplingParams, TokenMask
from services.common.batching.work_thread import WorkThread
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument, ReplyTooLarge

T = TypeVar("T")
Reply = TypeVar("Reply", ar_pb2.TokenizeResponse, ar_pb2.DetokenizeResponse)

_TEXT_FIELD = "texts.texts[{}]"
_MAX_CHARACTERS_INLINE = 4096
_PIECE_TOKENS = 4096
"""How many tokens protobuf gets at a time: while it copies them, no other thread runs."""
_LEAST_TOKEN_BYTES = 3
"""Of a reply, for each token: its id, and the tag and the length of its bytes."""
_ACCEPTED = f"what comes to {MAX_MESSAGE_BYTES} bytes at the most"


class TextModel(SequentialModel):
    """The `text_thread` renders and tokenises; without `compilations` no output can be held to anything."""

    codec: TextCodec
    makes = "text"

    def __init__(
        self,
        codec: TextCodec,
        engine: Engine,
        description: ar_pb2.Model,
        num_warm_up_tokens: int,
        text_thread: WorkThread,
        compilations: Compilations | None,
        max_batch_tokens: int = 2 * MAX_TOKENS_PER_STEP,
    ) -> None:
        background = [text_thread] if compilations is None else [text_thread, compilations]
        if codec.mask_token is not None:
            description.vocab_size = codec.mask_token  # which none is to send, or gets
        description.window_tokens = self.window_tokens = codec.window_tokens
        super().__init__(codec, engine, description, description.vocab_size, num_warm_up_tokens, background)
        description.special_token_ids.extend(codec.special_tokens)
        self.default_max_tokens = codec.window_tokens or DEFAULT_MAX_TOKENS
        if codec.mask_token is not None:  # a step has the tokens of a group, and MASK rows for those of the next
            self.most_tokens_per_step = max(1, min(MAX_TOKENS_PER_STEP, max_batch_tokens // 2))
        self._text_thread = text_thread
        self._compilations = compilations

    async def prompt(self, request: ar_pb2.GenerateRequest, call: Call) -> list[int]:
        kind = request.WhichOneof("prompt")
        if kind == "text":
            token_ids = await self._off_loop(partial(self.codec.encode, request.text), len(request.text), call)
        elif kind == "chat":
            token_ids = await self._run(partial(self._encode_chat, request.chat), call)
        elif kind == "tokens":
            token_ids = list(request.tokens.ids)
        else:
            raise self.refusal("prompt", kind, request.class_label, "text, chat or tokens")
        check_prompt(kind, token_ids, self.num_output_tokens, self.codec.max_context_tokens)
        return token_ids

    def _encode_chat(self, chat: ar_pb2.ChatPrompt, with_bos: bool = True) -> list[int]:
        turns, use = turns_of(chat, self.codec.max_context_tokens), tool_use(chat)
        tools, is_plain_without = use.tools if use else (), chat.plain_without_template
        return self.codec.encode_chat(turns, with_bos, tools=tools, is_plain_without=is_plain_without)

    def groups(
        self, num_prompt_tokens: int, num_tokens: int, params: SamplingParams, given_places: tuple[int, ...]
    ) -> TokenGroups | None:
        """Return groups of equal sizes; where the order is the model's own, also those of a single token."""
        ends = equal_ends(num_tokens - len(given_places), params.tokens_per_step)
        if self.window_tokens:
            order = spread_order(num_tokens, self.window_tokens)
            places = (*given_places, *(place for place in order if place not in given_places))
            return TokenGroups.of(num_prompt_tokens + len(given_places), ends, places)
        return TokenGroups.of(num_prompt_tokens, ends) if params.tokens_per_step > 1 else None

    async def masks(
        self, request: ar_pb2.GenerateRequest, count: int, call: Call
    ) -> tuple[Sequence[TokenMask], Sequence[CallReader]]:
        constraint, use, form = constraint_of(request.sampling), tool_use(request.chat), self.codec.call_form
        if use is not None:
            constraint = calls_constraint(use, form, constraint)
        if constraint is None:
            return (), ()
        if self.window_tokens or request.sampling.tokens_per_step > 1:
            reason = "where each step generates the next token: others are drawn before it is known"
            raise InvalidArgument(constraint.field, "a constraint", f"none but {reason}")
        if self._compilations is None:
            raise InvalidArgument(constraint.field, "a constraint", "nothing: this model has no end token")
        masks = await self._compilations.masks(constraint, count, call.deadline, call.owner)
        if use is None:
            return masks, ()
        names = [use.tools[index].name for index in use.called]
        return masks, [CallReader(form, names, use.is_required) for _ in range(count)]

    async def read_scored(self, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
        if request.WhichOneof("content") == "texts":
            check_count("texts.texts", len(request.texts.texts), MAX_TEXTS)
            texts = list(request.texts.texts)
            return await self._off_loop(partial(self._encode, texts), sum(map(len, texts)), call)
        token_lists = self.token_lists(request, "texts or tokens")
        for number, token_ids in enumerate(token_lists):
            self._check_scored(LIST_FIELD.format(number), token_ids)
        return token_lists

    def _encode(self, texts: list[str]) -> list[list[int]]:
        """Return the tokens of texts to score; a text that cannot be scored is refused before the next is encoded."""
        token_lists = []
        for number, text in enumerate(texts):
            field = _TEXT_FIELD.format(number)
            token_lists.append(self.codec.encode(text, field))
            self._check_scored(field, token_lists[-1])
        return token_lists

    def _check_scored(self, field: str, token_ids: list[int]) -> None:
        check_prompt(field, token_ids, self.num_output_tokens, self.codec.max_context_tokens + 1)
        check_is_scorable(field, token_ids)

    async def _off_loop(self, work: Callable[[], T], num_characters: int, call: Call) -> T:
        """Do short work at once, and longer work in the thread, so that other streams go on meanwhile."""
        return work() if num_characters <= _MAX_CHARACTERS_INLINE else await self._run(work, call)

    async def _run(self, work: Callable[[], T], call: Call) -> T:
        return await self._text_thread.run(work, call.deadline, call.owner)

    def growing_images(self, request: ar_pb2.GenerateRequest, prompt: list[int], params: SamplingParams) -> None:
        if request.image_encoding:
            raise InvalidArgument("image_encoding", request.image_encoding, "nothing: this model makes text")
        for field in ("partial_images", "num_partial_images"):
            if value := getattr(request, field):
                raise InvalidArgument(field, value, "nothing: this model makes text")

    async def tokenize(self, request: ar_pb2.TokenizeRequest, call: Call) -> ar_pb2.TokenizeResponse:
        """Return the content's tokens. Raises InvalidArgument, ReplyTooLarge, ResourceExhausted."""
        kind, with_bos = request.WhichOneof("content"), not request.without_bos
        if kind == "text":
            encode = partial(self.codec.encode, request.text, with_bos=with_bos)
        elif kind == "chat":
            encode = partial(self._encode_chat, request.chat, with_bos)
        else:
            raise InvalidArgument("content", None, "text or chat")
        return await self._run(partial(_tokens, kind, self.codec, encode), call)

    async def detokenize(self, request: ar_pb2.DetokenizeRequest, call: Call) -> ar_pb2.DetokenizeResponse:
        """Return the tokens' text. Raises InvalidArgument, ReplyTooLarge, ResourceExhausted."""
        if not 1 <= len(request.ids) <= self.codec.max_context_tokens:
            raise InvalidArgument("ids", f"{len(request.ids)} ids", f"1 to {self.codec.max_context_tokens}")
        check_token_ids("ids", request.ids, self.num_output_tokens)
        return await self._run(partial(_text, self.codec, list(request.ids)), call)

    def describe_tokenizer(self) -> ar_pb2.DescribeTokenizerResponse:
        """Return how the tokenizer works."""
        return ar_pb2.DescribeTokenizerResponse(
            model=self.name,
            bos_token_id=self.codec.bos_token_id,
            eos_token_ids=sorted(self.codec.eos_token_ids),
            special_tokens=self.codec.special_tokens,
            chat_template=self.codec.chat_template or "",
        )


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


def _text(codec: TextCodec, ids: list[int]) -> ar_pb2.DetokenizeResponse:
    reply = ar_pb2.DetokenizeResponse(text=codec.decode(ids), tokens=map(codec.token_bytes, ids))
    return _bounded("ids", reply)


def _bounded(field: str, reply: Reply) -> Reply:
    if (size := reply.ByteSize()) > MAX_MESSAGE_BYTES:
        raise ReplyTooLarge(field, f"a reply of {size} bytes", _ACCEPTED)
    return reply
