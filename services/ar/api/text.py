"""Models of text: prompts and texts to score, as plain text, as a chat, or as tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from runtime.rpc.call import Call
from services.ar.api.modality import LIST_FIELD, MAX_TEXTS, Part, check_count, check_is_scorable, token_lists_of
from services.ar.api.validation import DEFAULT_MAX_TOKENS, check_prompt, constraint_of, refuse_image_options, turns_of
from services.ar.codecs.text_codec import TextCodec
from services.ar.codecs.text_thread import TextThread
from services.ar.constraints.compiler import Compilations
from services.ar.engine.sequence import SamplingParams, TokenGroups, TokenMask
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

if TYPE_CHECKING:
    from services.common.diversity.watch import DiversityWatch

T = TypeVar("T")

_TEXT_FIELD = "texts.texts[{}]"
_MAX_CHARACTERS_INLINE = 4096


class TextModality:
    """Implements `Modality`; `num_output_tokens` is the vocabulary's size.

    Without `compilations` no output can be held to anything: nothing would end it.
    """

    default_max_tokens = DEFAULT_MAX_TOKENS
    mask_token = None

    def __init__(
        self, codec: TextCodec, text_thread: TextThread, num_output_tokens: int, compilations: Compilations | None
    ) -> None:
        self.codec = self.text_codec = codec
        self.text_thread = text_thread
        self.num_output_tokens = num_output_tokens
        self._compilations = compilations

    @property
    def parts(self) -> Sequence[Part]:
        return [*([] if self._compilations is None else [self._compilations]), self.text_thread]

    def groups(self, num_prompt_tokens: int, num_tokens: int, steps: int) -> TokenGroups | None:
        return None

    def describe(self, description: ar_pb2.Model) -> None:
        description.special_token_ids.extend(self.codec.special_tokens)

    async def prompt(self, request: ar_pb2.GenerateRequest, call: Call) -> list[int]:
        token_ids = await self._prompt(request, call)
        kind = request.WhichOneof("prompt") or "prompt"
        check_prompt(kind, token_ids, self.num_output_tokens, self.codec.max_context_tokens)
        return token_ids

    async def _prompt(self, request: ar_pb2.GenerateRequest, call: Call) -> list[int]:
        kind = request.WhichOneof("prompt")
        if kind == "text":
            return await self._off_loop(partial(self.codec.encode, request.text), len(request.text), call)
        if kind == "chat":
            turns = turns_of(request.chat, self.codec.max_context_tokens)
            encode = partial(self.codec.encode_chat, turns, is_plain_without=request.chat.plain_without_template)
            return await self.text_thread.run(encode, call.deadline, call.owner)
        if kind == "tokens":
            return list(request.tokens.ids)
        accepted = "text, chat or tokens"
        if kind is None:
            raise InvalidArgument("prompt", None, accepted)
        raise InvalidArgument(kind, request.class_label, f"{accepted}: this model makes text")

    async def masks(self, request: ar_pb2.GenerateRequest, count: int, call: Call) -> Sequence[TokenMask] | None:
        constraint = constraint_of(request.sampling)
        if constraint is None:
            return None
        if self._compilations is None:
            raise InvalidArgument(constraint.field, "a constraint", "nothing: this model has no end token")
        return await self._compilations.masks(constraint, count, call.deadline, call.owner)

    async def read_scored(self, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
        if request.WhichOneof("content") == "texts":
            check_count("texts.texts", len(request.texts.texts), MAX_TEXTS)
            texts = list(request.texts.texts)
            return await self._off_loop(partial(self._encode, texts), sum(map(len, texts)), call)
        token_lists = token_lists_of(request, "texts or tokens", "text")
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
        if num_characters <= _MAX_CHARACTERS_INLINE:
            return work()
        return await self.text_thread.run(work, call.deadline, call.owner)

    def growing_images(
        self,
        request: ar_pb2.GenerateRequest,
        prompt: list[int],
        params: SamplingParams,
        watch: DiversityWatch | None,
    ) -> None:
        refuse_image_options(request)
