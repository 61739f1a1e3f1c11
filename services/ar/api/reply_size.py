"""The largest size of a reply in bytes, computed before the work from real messages with full fields.

A bound that holds for every output asks what the longest tokens would come to, so it lies above what texts really take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import nlargest

from runtime.limits import MAX_MESSAGE_BYTES
from services.ar.api.validation import MAX_TOP_LOGPROBS
from services.ar.engine.sequence import SamplingParams
from services.common.images.encoding import Encoding, max_image_bytes
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import timings_pb2
from tandem.shared.errors import ReplyTooLarge

# A message inside another one is preceded by a tag and its length, a field of text or bytes likewise.
_FRAME_BYTES = 6
_REPLACEMENT_BYTES = 3  # of U+FFFD, which stands for as little as one byte that is no UTF-8


@dataclass(frozen=True)
class TokenSizes:
    """What tokens of a model can take: the largest id, the lengths of the longest, and the text that one can add."""

    largest_id: int
    longest: tuple[int, ...]
    """Bytes of the longest tokens, descending; as many as can stand at one place."""
    text_bytes: int
    window_tokens: int = 0
    """Of a model that reports where in its outputs tokens stand; else 0."""

    @classmethod
    def of(cls, tokens: Sequence[bytes], window_tokens: int = 0) -> TokenSizes:
        """Return the sizes of a vocabulary, in the order of its ids."""
        longest = nlargest(MAX_TOP_LOGPROBS, map(len, tokens))
        return cls(
            max(len(tokens) - 1, 0), tuple(longest) or (0,), max(map(_text_bytes, tokens), default=0), window_tokens
        )

    def bytes_per_token(self, params: SamplingParams) -> int:
        """Return the most bytes that one token can add to a GenerateResponse."""
        message = ar_pb2.GenerateResponse(token_ids=[self.largest_id], text_delta="x" * self.text_bytes)
        if self.window_tokens:
            message.places.append(self.window_tokens)
        if params.logprobs:
            message.logprobs.append(self._logprob(params.top_logprobs))
        return message.ByteSize()

    def scored_bytes_per_token(self, top_logprobs: int = 0) -> int:
        """Return the most bytes that one token can add to a Likelihood, less the token's own."""
        likelihood = ar_pb2.Likelihood(tokens=[self._logprob(top_logprobs)])
        return likelihood.ByteSize() - self.longest[0]

    def _logprob(self, num_alternatives: int) -> ar_pb2.TokenLogprob:
        # Alternatives differ from each other, so only one of them can be the longest token.
        alternatives = [
            ar_pb2.Alternative(token_id=self.largest_id, logprob=-1.0, token=b"x" * length)
            for length in self.longest[:num_alternatives]
        ]
        token = b"x" * self.longest[0]
        return ar_pb2.TokenLogprob(token_id=self.largest_id, logprob=-1.0, token=token, alternatives=alternatives)


def image_bytes(shape: Sequence[int], encoding: Encoding) -> int:
    """Return the most bytes of an ImageBatch with one image of shape [H, W, C]."""
    return max_image_bytes(shape, encoding) + len(shape) * _FRAME_BYTES + 3 * _FRAME_BYTES


def choice_bytes(params: SamplingParams, image: int = 0) -> int:
    """Return the most bytes of a GenerateResponse besides its tokens; `image` is of the image in it."""
    longest_stop = max((len(stop.encode()) for stop in params.stop), default=0)
    message = ar_pb2.GenerateResponse(choice_index=params.n, finish_reason=ar_pb2.FINISH_REASON_LENGTH)
    # Three fields that grow with the tokens: ids, text and the stop string; the image; the choice in its reply.
    return message.ByteSize() + longest_stop + image + end_bytes() + 5 * _FRAME_BYTES


@cache
def end_bytes() -> int:
    """Return the most bytes of what a reply says once: usage and timings."""
    usage = ar_pb2.Usage(prompt_tokens=2**31 - 1, cached_tokens=2**31 - 1, output_tokens=2**31 - 1, seed=2**64 - 1)
    timings = timings_pb2.Timings(**{field.name: 1.0 for field in timings_pb2.Timings.DESCRIPTOR.fields})
    return usage.ByteSize() + timings.ByteSize() + 2 * _FRAME_BYTES


def max_message_tokens(sizes: TokenSizes, params: SamplingParams, image: int = 0) -> int:
    """Return how many tokens a GenerateResponse can carry within a message's limit; at least one."""
    return max(1, (MAX_MESSAGE_BYTES - choice_bytes(params, image)) // sizes.bytes_per_token(params))


def check_whole_reply(sizes: TokenSizes, params: SamplingParams, image: int = 0) -> None:
    """Raises ReplyTooLarge if all choices together could exceed what one message may have."""
    most = params.n * (params.max_tokens * sizes.bytes_per_token(params) + choice_bytes(params, image))
    if most <= MAX_MESSAGE_BYTES:
        return
    wanted = f"n {params.n}, max_tokens {params.max_tokens}"
    if params.logprobs:
        wanted += f", logprobs, top_logprobs {params.top_logprobs}"
    if image:
        wanted += f", an image of {image} bytes"
    accepted = f"what fits one message of {MAX_MESSAGE_BYTES} bytes; Generate streams replies of any size"
    field = "sampling.n" if image else "sampling.max_tokens"
    raise ReplyTooLarge(field, f"{wanted}: up to {most} bytes", accepted)


def check_score_reply(
    field: str,
    sizes: TokenSizes,
    token_bytes: Callable[[int], bytes],
    token_lists: Sequence[Sequence[int]],
    top_logprobs: int = 0,
) -> None:
    """Raises ReplyTooLarge, about `field`, if the likelihoods of these sequences could exceed one message."""
    num_tokens = sum(map(len, token_lists))
    frames = (
        num_tokens * sizes.scored_bytes_per_token(top_logprobs) + len(token_lists) * _LIKELIHOOD_BYTES + end_bytes()
    )
    if frames + num_tokens * sizes.longest[0] <= MAX_MESSAGE_BYTES:
        return
    most = frames + sum(len(token_bytes(token_id)) for token_ids in token_lists for token_id in token_ids)
    if most > MAX_MESSAGE_BYTES:
        wanted = f"{len(token_lists)} sequences of {num_tokens} tokens: up to {most} bytes"
        if top_logprobs:
            wanted = f"{wanted} with {top_logprobs} alternatives each"
        raise ReplyTooLarge(field, wanted, f"a reply of {MAX_MESSAGE_BYTES} bytes; ask in several requests")


_LIKELIHOOD_BYTES = ar_pb2.Likelihood(total_logprob=-1.0, bits_per_token=1.0).ByteSize() + _FRAME_BYTES


def _text_bytes(token: bytes) -> int:
    """Return the most UTF-8 bytes of text that a token can add: what is no UTF-8 by itself may come as U+FFFD."""
    try:
        token.decode()
    except UnicodeDecodeError:
        return _REPLACEMENT_BYTES * len(token)
    return len(token)
