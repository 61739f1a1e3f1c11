"""The AutoregressiveService: protobuf in, engine, protobuf out."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from runtime.model_worker import ModelWorker
from runtime.rpc.call import Call
from runtime.rpc.choices import join_messages
from services.ar.api.generation import Generation, request_timings
from services.ar.api.reply_size import check_score_reply, check_whole_reply
from services.ar.api.scoring import likelihood_message, score
from services.ar.api.sequential_model import SequentialModel
from services.ar.api.text import TextModel
from services.ar.api.validation import check_top_logprobs, given_tokens, sampling_params
from services.ar.metrics import ArMetrics
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

# The kind of prompt says which kind of model it needs; token ids fit any.
_MODALITIES = {"text": "text", "chat": "text", "texts": "text", "class_label": "image", "images": "image"}


class ArServicer:
    """Serves what the worker has loaded; see runtime.rpc.rpc for who calls these methods."""

    def __init__(self, worker: ModelWorker[SequentialModel], metrics: ArMetrics) -> None:
        self._worker = worker
        self._metrics = metrics

    def model_for(self, name: str, kind: str | None, in_steps: bool = False) -> SequentialModel:
        """Return the model called `name`; if it is empty, the only one, or the only one that takes content of `kind`.

        `kind` is the name of a prompt's or a content's field. Of several image models it is the only one that takes
        steps, if the request is to be done `in_steps`, or else the only one that takes none. Raises NotFound,
        Unavailable.
        """
        wanted = _MODALITIES.get(kind or "")
        fitting = [model for model in self._worker.models if model.description.modality == wanted]
        if wanted == "image" and len(fitting) > 1:
            fitting = [model for model in fitting if model.takes_steps == in_steps]
        return fitting[0] if not name and len(fitting) == 1 else self._worker.get(name)

    async def generate(
        self, request: ar_pb2.GenerateRequest, call: Call, in_one_message: bool = False
    ) -> AsyncGenerator[ar_pb2.GenerateResponse, None]:
        """Stream texts or images of one prompt as they are generated."""
        in_steps = request.sampling.HasField("steps")
        model = self.model_for(request.model, request.WhichOneof("prompt"), in_steps)
        call.model = model.name
        prompt = await model.prompt(request, call)
        params = sampling_params(
            request,
            len(prompt),
            model.num_output_tokens,
            model.codec.max_context_tokens,
            model.default_max_tokens,
            model.takes_steps,
            model.description.default_sampling,
            model.most_tokens_per_step,
            model.window_tokens,
        )
        given = given_tokens(request, params.max_tokens, model.num_output_tokens, model.window_tokens)
        growing_images = model.growing_images(request, prompt, params)
        if in_one_message:
            check_whole_reply(model.token_sizes, params, growing_images.max_bytes if growing_images else 0)
        masks, readers = await model.masks(request, params.n, call)
        sequences = [
            model.sequence(
                prompt,
                params,
                call,
                given,
                choice_index=index,
                token_mask=masks[index] if masks else None,
                is_streamed=not in_one_message or bool(params.stop),  # a stop string is found by the reader
            )
            for index in range(params.n)
        ]
        with model.engine.running(sequences, call.deadline) as stream:
            generation = Generation(model, stream, params, growing_images, call, request.report_drafts, readers)
            async for message in generation.messages():
                if generation.timings is not None and message.HasField("timings"):
                    self._metrics.backend.observe_timings(model.name, generation.timings, call.trace_id)
                yield message

    async def complete(self, request: ar_pb2.CompleteRequest, call: Call) -> ar_pb2.CompleteResponse:
        """Return in one reply what `generate` streams. Refuses in advance what may not fit."""
        try:
            for field in ("partial_images", "num_partial_images"):
                if value := getattr(request.generate, field):
                    raise InvalidArgument(field, value, "nothing: the reply is one message")
            async with contextlib.aclosing(self.generate(request.generate, call, in_one_message=True)) as messages:
                return join_messages([message async for message in messages])
        except InvalidArgument as error:
            raise error.within("generate") from None

    async def score(self, request: ar_pb2.ScoreRequest, call: Call) -> ar_pb2.ScoreResponse:
        """Return the exact log-likelihood of texts, token ids or images."""
        kind = request.WhichOneof("content")
        model = self.model_for(request.model, kind, in_steps=request.HasField("steps"))
        call.model = model.name
        token_lists = await model.read_scored(request, call)
        top_logprobs = check_top_logprobs(request.top_logprobs, model.num_output_tokens)
        check_score_reply(kind or "", model.token_sizes, model.codec.token_bytes, token_lists, top_logprobs)
        scored, streams = await score(model, token_lists, request, top_logprobs, call)
        likelihoods = await asyncio.to_thread(lambda: [likelihood_message(tokens, model.codec) for tokens in scored])
        timings = request_timings(streams, call)
        self._metrics.backend.observe_timings(model.name, timings, call.trace_id)
        return ar_pb2.ScoreResponse(likelihoods=likelihoods, timings=timings, fingerprint=model.fingerprint)

    async def tokenize(self, request: ar_pb2.TokenizeRequest, call: Call) -> ar_pb2.TokenizeResponse:
        """Return the token ids of a text or a conversation."""
        return await self._text_model(request.model, call).tokenize(request, call)

    async def detokenize(self, request: ar_pb2.DetokenizeRequest, call: Call) -> ar_pb2.DetokenizeResponse:
        """Return the text of token ids."""
        return await self._text_model(request.model, call).detokenize(request, call)

    async def describe_tokenizer(
        self, request: ar_pb2.DescribeTokenizerRequest, call: Call
    ) -> ar_pb2.DescribeTokenizerResponse:
        """Return the special tokens and the chat template of a text model."""
        return self._text_model(request.model, call).describe_tokenizer()

    def _text_model(self, name: str, call: Call) -> TextModel:
        model = self.model_for(name, "text")
        call.model = model.name
        if not isinstance(model, TextModel):
            raise InvalidArgument("model", model.name, "a model of texts: this one makes images")
        return model

    async def list_models(self, request: ar_pb2.ListModelsRequest, call: Call) -> ar_pb2.ListModelsResponse:
        """Return the models that are loaded."""
        return ar_pb2.ListModelsResponse(models=[model.description for model in self._worker.models])
