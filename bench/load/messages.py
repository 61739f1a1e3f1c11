"""From an order to a request message, and from a reply message to what it carries. Knows no clock and no connection."""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bench.load.document import ServedModel
from bench.load.orders import Order
from bench.load.scenario import Work
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2

_POOL_TOKENS = 65_536


class Reading(NamedTuple):
    """What a message carries: outputs (tokens or images), whole images, and the backend's timings if they are there."""

    num_outputs: int
    num_images: int
    timings: Timings | None


RequestOf = Callable[[Order], Any]
Read = Callable[[Any], Reading]


def request_maker(work: Work, model: ServedModel) -> RequestOf:
    """Return what makes the request message of an order."""
    if work.kind == "images":
        return _images_maker(work, model)
    make = _text_maker(work, model) if work.kind == "text" else _picture_maker(work, model)
    if work.delivery == "streamed":
        return make
    return lambda order: ar_pb2.CompleteRequest(generate=make(order))


def _text_maker(work: Work, model: ServedModel) -> RequestOf:
    # Prompts are pieces of one row of random tokens: cheap, and seldom alike, so no prefix cache answers for the model.
    vocab_size = max(1, model.vocab_size or 1)
    pool = np.random.default_rng(0).integers(0, vocab_size, _POOL_TOKENS).tolist()

    def make(order: Order) -> ar_pb2.GenerateRequest:
        begin = int(order.place * _POOL_TOKENS)
        ids = pool[begin : begin + order.prompt_tokens]
        if len(ids) < order.prompt_tokens:
            ids = list(itertools.islice(itertools.cycle(pool), begin, begin + order.prompt_tokens))
        sampling = ar_pb2.SamplingParams(max_tokens=order.length, seed=order.seed, ignore_eos=True)
        return ar_pb2.GenerateRequest(model=work.model, tokens=ar_pb2.TokenPrompt(ids=ids), sampling=sampling)

    return make


def _picture_maker(work: Work, model: ServedModel) -> RequestOf:
    def make(order: Order) -> ar_pb2.GenerateRequest:
        label = int(order.place * max(1, model.num_classes))
        sampling = ar_pb2.SamplingParams(seed=order.seed)
        return ar_pb2.GenerateRequest(model=work.model, class_label=label, sampling=sampling)

    return make


def _images_maker(work: Work, model: ServedModel) -> RequestOf:
    def make(order: Order) -> gan_pb2.SampleRequest:
        # Without classes there are no labels to ask for.
        labels = [int(order.place * model.num_classes)] if model.num_classes else []
        return gan_pb2.SampleRequest(model=work.model, count=order.length, labels=labels, seed=order.seed)

    if work.delivery == "unary":
        return make
    return lambda order: gan_pb2.SampleStreamRequest(sample=make(order))


def _read_generate(message: ar_pb2.GenerateResponse) -> Reading:
    num_images = 1 if message.finish_reason and message.HasField("image") else 0
    return Reading(len(message.token_ids), num_images, message.timings if message.HasField("timings") else None)


def _read_complete(message: ar_pb2.CompleteResponse) -> Reading:
    num_tokens = sum(len(choice.token_ids) for choice in message.choices)
    num_images = sum(choice.HasField("image") for choice in message.choices)
    return Reading(num_tokens, num_images, message.timings if message.HasField("timings") else None)


def _read_sample(message: gan_pb2.SampleResponse) -> Reading:
    shape = message.images.shape
    num_images = shape[0] if shape else 0
    return Reading(num_images, num_images, message.timings if message.HasField("timings") else None)


def _read_part(message: gan_pb2.SampleStreamResponse) -> Reading:
    return _read_sample(message.part)


READERS: dict[str, Read] = {
    "Generate": _read_generate,
    "Complete": _read_complete,
    "Sample": _read_sample,
    "SampleStream": _read_part,
}
