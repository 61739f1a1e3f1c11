"""The AutoregressiveService: protobuf in, engine, protobuf out."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import numpy as np

from runtime.errors import InvalidArgument
from runtime.rpc import Call
from services.ar.generation import Generation, timings_message, whole
from services.ar.metrics import ArMetrics
from services.ar.pictures import Finished, Pictures
from services.ar.prompts import generate_prompt
from services.ar.reply_size import check_score_reply, check_whole_reply
from services.ar.sampling_params import SamplingParams
from services.ar.scored_content import scored_content
from services.ar.scoring import Scoring, likelihood_messages
from services.ar.sequence import Sequence
from services.ar.sequential_model import SequentialModel
from services.ar.text_codec import TextCodec
from services.ar.timings import request_timings
from services.ar.validation import (
    DEFAULT_MAX_TOKENS,
    picture_encoding,
    refuse_partial_images,
    refuse_picture_options,
    sampling_params,
)
from services.ar.worker import ArWorker
from services.common.diversity import DiversityWatch
from tandem.ar.v1 import ar_pb2


class ArServicer:
    """Serves what the worker has loaded; see runtime.rpc for who calls these methods."""

    def __init__(self, worker: ArWorker, metrics: ArMetrics) -> None:
        self._worker = worker
        self._metrics = metrics

    def generate(self, request: ar_pb2.GenerateRequest, call: Call) -> AsyncGenerator[ar_pb2.GenerateResponse, None]:
        return self._generate(request, call, in_one_message=False)

    async def _generate(
        self, request: ar_pb2.GenerateRequest, call: Call, in_one_message: bool
    ) -> AsyncGenerator[ar_pb2.GenerateResponse, None]:
        model = self._worker.get_for(request.model, request.WhichOneof("prompt"))
        call.model = model.name
        prompt = await generate_prompt(model, request)
        default_max_tokens = DEFAULT_MAX_TOKENS if isinstance(model.codec, TextCodec) else model.max_context_tokens
        params = sampling_params(
            request, len(prompt), model.num_output_tokens, model.max_context_tokens, default_max_tokens
        )
        pictures = _pictures(model, request, prompt, params)
        if in_one_message:
            check_whole_reply(model.token_sizes, params, pictures.max_bytes if pictures else 0)
        sequences = [_sequence(model, prompt, params, index, call) for index in range(params.n)]
        with model.engine.running(sequences, call.deadline) as stream:
            generation = Generation(model, stream, params, pictures, call)
            async for message in generation.messages():
                if generation.timings is not None and message.HasField("timings"):
                    self._metrics.backend.observe_timings(model.name, generation.timings)
                yield message

    async def complete(self, request: ar_pb2.CompleteRequest, call: Call) -> ar_pb2.CompleteResponse:
        try:
            refuse_partial_images(request.generate)
            async with contextlib.aclosing(self._generate(request.generate, call, in_one_message=True)) as messages:
                return whole([message async for message in messages])
        except InvalidArgument as error:
            raise error.within("generate") from None

    async def score(self, request: ar_pb2.ScoreRequest, call: Call) -> ar_pb2.ScoreResponse:
        model = self._worker.get_for(request.model, request.WhichOneof("content"))
        call.model = model.name
        token_lists = await scored_content(model, request, call)
        field = request.WhichOneof("content") or "content"
        check_score_reply(field, model.token_sizes, model.codec, token_lists)
        scoring = Scoring(model.engine, token_lists, call)
        scored = await scoring.run()
        likelihoods = await asyncio.to_thread(likelihood_messages, scored, model.codec)
        timings = request_timings(scoring.streams, call)
        self._metrics.backend.observe_timings(model.name, timings)
        return ar_pb2.ScoreResponse(
            likelihoods=likelihoods, timings=timings_message(timings), fingerprint=model.fingerprint
        )

    async def list_models(self, request: ar_pb2.ListModelsRequest, call: Call) -> ar_pb2.ListModelsResponse:
        return ar_pb2.ListModelsResponse(models=[model.description for model in self._worker.models])


def _sequence(model: SequentialModel, prompt: list[int], params: SamplingParams, index: int, call: Call) -> Sequence:
    return Sequence(
        prompt, params, model.codec.eos_token_ids, index, caller=call.owner, cache_salt=call.caller.encode()
    )


def _pictures(
    model: SequentialModel, request: ar_pb2.GenerateRequest, prompt: list[int], params: SamplingParams
) -> Pictures | None:
    """Return what draws an image model's tokens, None for a text model. Raises InvalidArgument."""
    codec = model.codec
    if isinstance(codec, TextCodec):
        refuse_picture_options(request)
        return None
    encoding = picture_encoding(request, codec.image)
    codes = prompt[1:]
    finished = None
    # A picture that was begun by the caller, or drawn narrower, says nothing of the model.
    if model.watch is not None and params.is_plain and not codes:
        finished = _watched(model.watch, prompt[0] - codec.class_token(0), params.seed)
    return Pictures(codec, codes, params.n, encoding, request.partial_images, finished)


def _watched(watch: DiversityWatch, label: int, seed: int) -> Finished:
    return lambda choice, image: watch.saw(image, np.array([label]), seed, choice)
