"""The AutoregressiveService: protobuf in, engine, protobuf out."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from runtime.rpc import Call
from services.ar.engine import Engine
from services.ar.generation import Generation, logprob_message, timings_message
from services.ar.metrics import ArMetrics
from services.ar.prompts import generate_prompt, score_content
from services.ar.request_stream import RequestStream
from services.ar.sampling_params import SamplingParams
from services.ar.sequence import SampledToken, Sequence
from services.ar.timings import request_timings
from services.ar.validation import sampling_params
from services.ar.worker import ArWorker
from tandem.ar.v1 import ar_pb2


class ArServicer:
    """Serves what the worker has loaded; see runtime.rpc for who calls these methods."""

    def __init__(self, worker: ArWorker, metrics: ArMetrics) -> None:
        self._worker = worker
        self._metrics = metrics

    async def generate(self, request: ar_pb2.GenerateRequest, call: Call) -> AsyncIterator[ar_pb2.GenerateResponse]:
        model = self._worker.get(request.model)
        prompt = await generate_prompt(model, request)
        params = sampling_params(request, len(prompt), model.vocab_size, model.max_context_tokens)
        sequences = [Sequence(prompt, params, model.eos_token_ids, index) for index in range(params.n)]
        with _submitted(model.engine, sequences) as stream:
            generation = Generation(model, stream, params, call)
            async for message in generation.messages():
                if generation.timings is not None and message.HasField("timings"):
                    self._metrics.backend.observe_timings(model.name, generation.timings)
                yield message

    async def score(self, request: ar_pb2.ScoreRequest, call: Call) -> ar_pb2.ScoreResponse:
        model = self._worker.get(request.model)
        token_ids = await score_content(model, request)
        sequence = Sequence(token_ids, SamplingParams(logprobs=True), is_scored=True)
        tokens: list[SampledToken] = []
        with _submitted(model.engine, [sequence]) as stream:
            while not stream.is_finished:
                tokens.extend(token for output in await stream.get() for token in output.tokens)
        timings = request_timings(stream, call.received_at)
        self._metrics.backend.observe_timings(model.name, timings)
        total = math.fsum(token.logprob or 0.0 for token in tokens)
        return ar_pb2.ScoreResponse(
            total_logprob=total,
            tokens=[logprob_message(token, model.codec) for token in tokens],
            bits_per_token=-total / math.log(2) / len(tokens),
            timings=timings_message(timings),
        )

    async def list_models(self, request: ar_pb2.ListModelsRequest, call: Call) -> ar_pb2.ListModelsResponse:
        return ar_pb2.ListModelsResponse(models=[model.description for model in self._worker.models])


@contextmanager
def _submitted(engine: Engine, sequences: list[Sequence]) -> Iterator[RequestStream]:
    """Run the sequences in the engine; those still open at the end, however it comes, are cancelled."""
    stream = engine.submit(sequences)
    try:
        yield stream
    finally:
        for sequence in stream.open_sequences():
            engine.end(sequence, "cancelled")
