"""From an order to a request message. Knows no clock and no connection."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tandem.ar.v1 import ar_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.schedule.request_sequence import RequestSpec
from tandem.measure.results.header import ServedModel
from tandem.measure.scenario import Workload

_POOL_TOKENS = 65_536

MessageOf = Callable[[RequestSpec], bytes]
_RequestOf = Callable[[RequestSpec], Any]


def request_maker(workload: Workload, model: ServedModel, prompt_salt: int) -> MessageOf:
    """Return what makes the serialised request message of a request spec; see `Plan.prompt_salt`."""
    if workload.kind == "text":
        make = _text_maker(workload, model, prompt_salt)
    else:
        make = partial(_images if workload.kind == "images" else _image, workload, model)
    if workload.rpc == "SampleStream":
        return lambda spec: gan_pb2.SampleStreamRequest(sample=make(spec)).SerializeToString()
    if workload.rpc == "Complete":
        return lambda spec: ar_pb2.CompleteRequest(generate=make(spec)).SerializeToString()
    return lambda spec: bytes(make(spec).SerializeToString())


def _text_maker(workload: Workload, model: ServedModel, prompt_salt: int) -> _RequestOf:
    # Prompts are pieces of one row of random tokens, each behind a token of its own: cheap, and none begins like
    # another, of this load or an earlier one, so no prefix cache answers for the model where it should not. What such
    # texts repeat says nothing of real ones, so no tokens are tried ahead.
    vocab_size = max(1, model.vocab_size or 1)
    pool = np.random.default_rng(0).integers(0, vocab_size, _POOL_TOKENS).tolist()

    def make(spec: RequestSpec) -> ar_pb2.GenerateRequest:
        ids = spec.fill_prompt(lambda row: (row + prompt_salt) % vocab_size, pool)
        sampling = ar_pb2.SamplingParams(
            max_tokens=spec.length,
            seed=spec.seed,
            ignore_eos=True,
            temperature=workload.temperature,
            speculative_tokens=0,
        )
        return ar_pb2.GenerateRequest(model=workload.model, tokens=ar_pb2.TokenPrompt(ids=ids), sampling=sampling)

    return make


def _image(workload: Workload, model: ServedModel, spec: RequestSpec) -> ar_pb2.GenerateRequest:
    label = int(spec.place * max(1, model.num_classes))
    sampling = ar_pb2.SamplingParams(seed=spec.seed, steps=workload.steps)
    return ar_pb2.GenerateRequest(model=workload.model, class_label=label, sampling=sampling)


def _images(workload: Workload, model: ServedModel, spec: RequestSpec) -> gan_pb2.SampleRequest:
    # Without classes there are no labels to ask for.
    labels = [int(spec.place * model.num_classes)] if model.num_classes else []
    return gan_pb2.SampleRequest(model=workload.model, count=spec.length, labels=labels, seed=spec.seed)
