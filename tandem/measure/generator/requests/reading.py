"""What the replies of a workload say: outputs, whole images, and the backend's word on the time; and the images
themselves, of replies that were kept.

Nothing is parsed while the load lasts: messages are kept, and read behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.sending.statuses import INTERNAL, OK
from tandem.measure.results.record import REPORTED, Record
from tandem.shared.metrics import TIMINGS_FIELDS

Pixels = NDArray[np.uint8]
_times: Callable[[Any], tuple[float, ...]] = attrgetter(*TIMINGS_FIELDS)
NO_MESSAGE = "the reply is no message of its type"
_OWN: dict[str, tuple[Any, str]] = {
    # rpc: the class of its replies' messages, and the field of their pixels, which no figure needs
    "Generate": (ar_pb2.GenerateResponse, "image.data"),
    "Complete": (ar_pb2.CompleteResponse, "choices.image.data"),
    "Sample": (gan_pb2.SampleResponse, "images.data"),
    "SampleStream": (gan_pb2.SampleStreamResponse, "part.images.data"),
}


class ReplyFigures(NamedTuple):
    """What the messages of one reply say. `num_outputs` of each message; `reported`: REPORTED, NaN where a server
    reports no times. `code` is gRPC's, with its `text`, of a reply that is no good though its status is OK.

    `num_cached_tokens`: those of the prompt that a prefix cache knew. `is_counted`: whether the server told how many
    outputs there are; if not, a message that carries any counts as one.
    """

    num_outputs: Sequence[int] = ()
    num_images: int = 0
    num_prompt_tokens: float = float("nan")
    num_cached_tokens: float = float("nan")
    is_counted: bool = True
    reported: Sequence[float] = (float("nan"),) * len(REPORTED)
    code: int = OK
    text: str = ""


Reading = Callable[[Sequence[bytes]], ReplyFigures]


def count_messages(messages: Sequence[bytes]) -> ReplyFigures:
    """Return the figures of an rpc of which nothing is known: each message is an output."""
    return ReplyFigures([1] * len(messages))


def parse_own(rpc: str, raw: bytes) -> tuple[Any, Sequence[Any]]:
    """Return what of a message of Tandem's own has timings, and what of it carries outputs. Raises DecodeError."""
    message = _OWN[rpc][0].FromString(raw)
    whole = message.part if rpc == "SampleStream" else message
    return whole, whole.choices if rpc == "Complete" else [whole]


def bulk_of(rpc: str) -> tuple[int, ...]:
    """Return the path of the pixels in a message of Tandem's own, by the numbers of the fields."""
    message, path = _OWN[rpc]
    at, numbers = message.DESCRIPTOR, []
    for name in path.split("."):
        field = at.fields_by_name[name]
        numbers.append(field.number)
        at = field.message_type
    return tuple(numbers)


def images_by_number(record: Record, rpc: str) -> dict[int, Pixels]:
    """Return the 8-bit image [H, W, C] of each request for one image that brought it, of replies that were kept."""
    found = {}
    for number, messages in record.kept().items():
        for message in reversed(messages):  # of a sequential one, the image is in the last message
            _, (part, *_) = parse_own(rpc, message)
            images = part.images if rpc.startswith("Sample") else part.image
            if images.shape:
                found[number] = np.frombuffer(images.data, np.uint8).reshape(images.shape[1:])
                break
    return found


def read_own(rpc: str, messages: Sequence[bytes]) -> ReplyFigures:
    """Return the figures of a reply by one of Tandem's own rpcs."""
    num_outputs, num_images, reported = [], 0, ReplyFigures().reported
    prompt = cached = float("nan")
    for raw in messages:
        try:
            whole, parts = parse_own(rpc, raw)
        except DecodeError:
            return ReplyFigures(code=INTERNAL, text=NO_MESSAGE)
        if rpc.startswith("Sample"):
            images = whole.images.shape[0] if whole.images.shape else 0  # the first number is how many there are
            num_outputs.append(images)
        else:
            images = sum(part.HasField("image") and part.finish_reason != 0 for part in parts)  # others are not whole
            num_outputs.append(sum(len(part.token_ids) for part in parts))
            if whole.HasField("usage") and whole.usage.prompt_tokens:
                prompt, cached = whole.usage.prompt_tokens, whole.usage.cached_tokens
        num_images += images
        if whole.HasField("timings"):
            reported = _times(whole.timings)
    return ReplyFigures(num_outputs, num_images, prompt, cached, reported=reported)


def spread(total: int, is_carrying: Sequence[bool]) -> list[int]:
    """Return how many of `total` outputs each message has, evenly, where only their sum is known.

    A message that carries text has at least one, so a total that is less than their number is not spread: each has one.
    """
    count = sum(is_carrying)
    bounds = np.arange(count + 1) * max(total, count) // max(count, 1)
    shares = iter(np.diff(bounds).tolist())
    return [next(shares) if carries else 0 for carries in is_carrying]
