"""What a sequential model makes, behind one interface: from requests to tokens, and what comes of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from runtime.rpc.call import Call
from services.ar.codecs.codec import Codec
from services.ar.codecs.text_codec import TextCodec
from services.ar.codecs.text_thread import TextThread
from services.ar.codecs.token_decoder import Tokens
from services.ar.constraints.compiler import Compilations
from services.ar.engine.sequence import SamplingParams, TokenGroups, TokenMask
from services.common.batching.batcher import Batcher
from services.common.images.encoding import Images
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

if TYPE_CHECKING:
    from services.ar.api.image import GrowingImages
    from services.common.diversity.watch import DiversityWatch


Part = Batcher[Tokens, Images] | Batcher[Images, Tokens] | Compilations | TextThread


class Modality(Protocol):
    """A codec, and the fields of requests that are about its kind of content."""

    @property
    def codec(self) -> Codec: ...

    @property
    def text_codec(self) -> TextCodec | None:
        """The codec of text; None where tokens are no text."""

    @property
    def text_thread(self) -> TextThread | None:
        """Where the codec of text does what may take long; None where there is none."""

    @property
    def parts(self) -> Sequence[Part]:
        """What works for the codec in the background."""

    @property
    def num_output_tokens(self) -> int:
        """The model generates tokens 0 to this, exclusive."""

    @property
    def mask_token(self) -> int | None:
        """The token of what is not known yet, in a model that generates several tokens a step; None in others."""

    @property
    def default_max_tokens(self) -> int:
        """The length of an output whose request says none."""

    def groups(self, num_prompt_tokens: int, num_tokens: int, steps: int) -> TokenGroups | None:
        """Return which of `num_tokens` tokens behind a prompt fewer steps generate together; None: no two, ever."""

    def describe(self, description: ar_pb2.Model) -> None:
        """Add what ListModels says of content of this kind."""

    async def prompt(self, request: ar_pb2.GenerateRequest, call: Call) -> list[int]:
        """Return the prompt's tokens, checked against what the model takes.

        Raises InvalidArgument, ResourceExhausted.
        """

    async def masks(self, request: ar_pb2.GenerateRequest, count: int, call: Call) -> Sequence[TokenMask] | None:
        """Return what rules tokens out of each of `count` choices, None if nothing does.

        Raises InvalidArgument, TooComplex, ResourceExhausted.
        """

    async def read_scored(self, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
        """Return the sequences to score, in the request's order, of two tokens at least.

        Raises InvalidArgument, ResourceExhausted.
        """

    def growing_images(
        self,
        request: ar_pb2.GenerateRequest,
        prompt: list[int],
        params: SamplingParams,
        watch: DiversityWatch | None,
    ) -> GrowingImages | None:
        """Return what draws the tokens, None if they are text. Raises InvalidArgument."""


MAX_TEXTS = 256
LIST_FIELD = "tokens.token_lists[{}].ids"


def token_lists_of(request: ar_pb2.ScoreRequest, accepted: str, made: str) -> list[list[int]]:
    """Return the lists. Raises InvalidArgument for another kind of content than `accepted`; the model makes `made`."""
    kind = request.WhichOneof("content")
    if kind is None:
        raise InvalidArgument("content", None, accepted)
    if kind != "tokens":
        raise InvalidArgument(kind, kind, f"{accepted}: this model makes {made}")
    check_count("tokens.token_lists", len(request.tokens.token_lists), MAX_TEXTS)
    return [list(prompt.ids) for prompt in request.tokens.token_lists]


def check_count(field: str, count: int, most: int) -> None:
    """Raises InvalidArgument unless there are 1 to `most` entries."""
    if not 1 <= count <= most:
        raise InvalidArgument(field, f"{count} entries", f"1 to {most}")


def check_is_scorable(field: str, token_ids: list[int]) -> None:
    """Raises InvalidArgument if no token has one before it."""
    if len(token_ids) < 2:
        raise InvalidArgument(field, f"{len(token_ids)} token", "at least two tokens: the first has no probability")
