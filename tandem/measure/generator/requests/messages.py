"""From an order to a request message. Knows no clock and no connection."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.schedule.orders import Order
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Work

_POOL_TOKENS = 65_536


RequestOf = Callable[[Order], Any]


def request_maker(work: Work, model: ServedModel) -> RequestOf:
    """Return what makes the request message of an order."""
    if work.kind == "images":
        return _images_maker(work, model)
    make = _text_maker(work, model) if work.kind == "text" else _picture_maker(work, model)
    if work.delivery == "streamed":
        return make
    return lambda order: ar_pb2.CompleteRequest(generate=make(order))


def _text_maker(work: Work, model: ServedModel) -> RequestOf:
    # Prompts are pieces of one row of random tokens, each behind a token of its own: cheap, and none begins like
    # another, so no prefix cache answers for the model.
    vocab_size = max(1, model.vocab_size or 1)
    pool = np.random.default_rng(0).integers(0, vocab_size, _POOL_TOKENS).tolist()

    def make(order: Order) -> ar_pb2.GenerateRequest:
        begin = int(order.place * _POOL_TOKENS)
        ids = pool[begin : begin + order.prompt_tokens]
        if len(ids) < order.prompt_tokens:
            ids = list(itertools.islice(itertools.cycle(pool), begin, begin + order.prompt_tokens))
        ids[0] = order.seed % vocab_size
        sampling = ar_pb2.SamplingParams(
            max_tokens=order.length, seed=order.seed, ignore_eos=True, temperature=work.temperature
        )
        return ar_pb2.GenerateRequest(model=work.model, tokens=ar_pb2.TokenPrompt(ids=ids), sampling=sampling)

    return make


def _picture_maker(work: Work, model: ServedModel) -> RequestOf:
    def make(order: Order) -> ar_pb2.GenerateRequest:
        label = int(order.place * max(1, model.num_classes))
        sampling = ar_pb2.SamplingParams(seed=order.seed, steps=work.steps)
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


REPLIES: dict[str, Any] = {
    "Generate": ar_pb2.GenerateResponse,
    "Complete": ar_pb2.CompleteResponse,
    "Sample": gan_pb2.SampleResponse,
    "SampleStream": gan_pb2.SampleStreamResponse,
}
