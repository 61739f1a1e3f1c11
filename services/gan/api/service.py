"""The GanService: protobuf in, batcher, protobuf out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from runtime.rpc.call import Answer, Call
from services.common.batching.request import BatchRequest
from services.common.bounds import check_int
from services.common.images.encoding import max_image_bytes
from services.gan.api.look_ahead import Budget, make_ahead
from services.gan.api.reply import SamplePart, SampleReply, discriminate_response, is_long, sample_reply
from services.gan.api.timeline import Timeline, timings_of
from services.gan.api.validation import (
    MAX_DISCRIMINATED_IMAGES,
    check_images,
    check_verdicts,
    discriminator_inputs,
    image_request,
    images_a_part,
)
from services.gan.generator_batch import ImageSlice
from services.gan.image_model import GanWorker, ImageModel
from services.gan.image_request import ImageRequest, Part
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2
from tandem.shared.errors import InvalidArgument, ReplyTooLarge, TandemError

T = TypeVar("T")

# Work on so many images costs less than the way to another thread and back.
_MAX_INLINE_IMAGES = 64


class GanServicer:
    """Serves what the worker has loaded; see runtime.rpc.rpc for who calls these methods."""

    def __init__(self, worker: GanWorker, settings: GanSettings, metrics: GanMetrics) -> None:
        self._worker = worker
        self._max_images_per_request = settings.max_images_per_request
        self._max_images_per_stream = settings.max_images_per_stream
        self._max_reply_bytes = settings.max_reply_bytes
        self._max_part_bytes = settings.max_part_bytes
        self._budget = Budget(settings.max_ahead_bytes)
        self._metrics = metrics

    def sample(self, request: gan_pb2.SampleRequest, call: Call, answer: Answer) -> Callable[[], None]:
        """Draw images and return them in one reply. Refuses in advance what may not fit."""
        model = self._worker.get(request.model)
        call.model = model.name
        self._check_count(request)
        wanted = image_request(request, model.image, self._max_images_per_request)
        check_images("count", wanted.count, model.image, wanted.encoding, self._max_reply_bytes)
        on_end = partial(self._on_sampled, model, wanted, call, answer)
        begun = model.batcher.begin((wanted, range(wanted.count)), wanted.count, call.deadline, on_end, call.owner)
        return partial(model.batcher.abandon, begun)

    def _on_sampled(
        self,
        model: ImageModel,
        wanted: ImageRequest,
        call: Call,
        answer: Answer,
        request: BatchRequest[Part, ImageSlice],
        error: TandemError | None,
    ) -> bool:
        """Answer a request that the batcher has ended."""
        if error is not None:
            return answer(error)
        batched = request.batched()
        make_reply = partial(sample_reply, wanted, batched.results, 0, model.fingerprint)

        def finish(reply_of: Callable[[], SampleReply]) -> bool:
            try:
                reply = reply_of()
                timings = timings_of(batched, call.received_at, call.started_at, time.monotonic())
                self._metrics.backend.observe_timings(model.name, timings, call.trace_id)
                reply.timings.CopyFrom(timings)
            except Exception as broken:
                return answer(broken)
            return answer(reply)

        if is_long(wanted, batched.results):
            making = asyncio.get_running_loop().run_in_executor(None, make_reply)
            making.add_done_callback(lambda made: finish(made.result))
            return True
        return finish(make_reply)

    async def sample_stream(self, request: gan_pb2.SampleStreamRequest, call: Call) -> AsyncIterator[SamplePart]:
        """Draw any number of images and send them in parts that fit a message."""
        model = self._worker.get(request.sample.model)
        call.model = model.name
        try:
            wanted = image_request(request.sample, model.image, self._max_images_per_stream)
        except InvalidArgument as error:
            raise error.within("sample") from None
        size = self._images_a_part(request, model, wanted)
        timeline = _timeline(call)
        rows = (range(first, min(first + size, wanted.count)) for first in range(0, wanted.count, size))
        # Enough to keep every instance busy while the reader is served, and no more.
        max_ahead = -(-(model.num_instances + 1) * model.max_batch_size // size)
        coroutines = (_draw(model, wanted, part, call, timeline) for part in rows)
        part_bytes = size * max_image_bytes(model.image.shape, wanted.encoding)
        parts = make_ahead(coroutines, max_ahead, self._budget, part_bytes)
        async with contextlib.aclosing(parts):
            async for reply in parts:
                if reply.message.first_index + reply.images.shape[0] == wanted.count:
                    seconds = time.monotonic() - call.received_at
                    timings = await _run_off_loop(wanted.count, timeline.timings, seconds)
                    self._metrics.backend.observe_timings(model.name, timings, call.trace_id)
                    reply.timings.CopyFrom(timings)
                yield SamplePart(reply)

    async def discriminate(self, request: gan_pb2.DiscriminateRequest, call: Call) -> gan_pb2.DiscriminateResponse:
        """Return the discriminator's score of each image, and its features if the model has some."""
        model = self._worker.get(request.model)
        call.model = model.name
        if model.judge is None:
            raise InvalidArgument("model", model.name, "a model with a discriminator (see ListModels)")
        most = min(self._max_images_per_request, MAX_DISCRIMINATED_IMAGES)
        images = await model.received_images.decode("images", request.images, most, call.owner)
        shown = discriminator_inputs(request, images, model.image)
        check_verdicts(len(shown.images), model.feature_dim, self._max_reply_bytes)
        timeline = _timeline(call)
        batched = await model.judge.submit(shown, len(shown.images), call.deadline, call.owner)
        timeline.add_batched(batched)
        response = await _run_off_loop(len(shown.images), discriminate_response, batched.results)
        now = time.monotonic()
        timeline.add_encode(batched.passes[-1].ended_at, now)
        response.timings.CopyFrom(timeline.timings(now - call.received_at))
        return response

    async def list_models(self, request: gan_pb2.ListModelsRequest, call: Call) -> gan_pb2.ListModelsResponse:
        """Return the models that are loaded."""
        return gan_pb2.ListModelsResponse(models=[describe(model) for model in self._worker.models])

    def _check_count(self, request: gan_pb2.SampleRequest) -> None:
        """Raises InvalidArgument, ReplyTooLarge for a count that a stream may have and one reply may not."""
        in_reply, in_stream = self._max_images_per_request, self._max_images_per_stream
        if not request.HasField("count") or 1 <= request.count <= in_reply:
            return
        accepted = f"1 to {in_stream}, more than {in_reply} by SampleStream alone"
        if in_reply < request.count <= in_stream:
            raise ReplyTooLarge("count", request.count, accepted)
        raise InvalidArgument("count", request.count, accepted if in_reply < in_stream else f"1 to {in_reply}")

    def _images_a_part(self, request: gan_pb2.SampleStreamRequest, model: ImageModel, wanted: ImageRequest) -> int:
        """Return the images a part: the caller's choice, else what certainly fits a message. Raises InvalidArgument."""
        is_chosen = request.HasField("images_per_message")
        max_bytes = self._max_part_bytes if is_chosen else self._max_reply_bytes
        most = images_a_part(model.image, wanted.encoding, model.max_part_images, max_bytes)
        return check_int("images_per_message", request.images_per_message, 1, most) if is_chosen else most


def describe(model: ImageModel) -> gan_pb2.Model:
    """Return what ListModels says of a model and of what runs it."""
    image, opened = model.image, model.opened
    configuration, trial = opened.configuration, opened.trial
    return gan_pb2.Model(
        name=model.name,
        licence=model.entry.spec.licence,
        image_shape=image.shape,
        latent_dim=image.latent_dim,
        num_classes=len(image.class_names),
        class_names=image.class_names,
        value_range=image.value_range,
        providers=model.providers,
        max_batch_size=model.max_batch_size,
        has_discriminator=model.judge is not None,
        max_reply_bytes=model.max_reply_bytes,
        runtime=gan_pb2.Runtime(
            name=configuration.runtime,
            version=opened.version,
            precision=configuration.precision,
            instruction_set=opened.instruction_set,
            num_instances=configuration.num_instances,
            threads_per_instance=configuration.threads_per_instance,
            is_rewritten=configuration.is_rewritten,
            batch_sizes=list(configuration.pass_seconds),
            images_per_second=trial.samples_per_second if trial else {},
            rms_difference=trial.rms_difference if trial else 0.0,
        ),
        fingerprint=model.fingerprint,
    )


def _timeline(call: Call) -> Timeline:
    """Return what has passed of a call whose request has been read and found good."""
    timeline = Timeline()
    timeline.add_queue(call.received_at, call.started_at)
    timeline.add_encode(call.started_at, time.monotonic())
    return timeline


async def _draw(model: ImageModel, wanted: ImageRequest, rows: range, call: Call, timeline: Timeline) -> SampleReply:
    """Draw the images `rows` of what is wanted, as one part of the reply."""
    if rows.start:
        # A full queue refuses a request at its beginning, not in its middle.
        await model.batcher.wait_for_room(len(rows), call.owner)
    batched = await model.batcher.submit((wanted, rows), len(rows), call.deadline, call.owner, is_begun=rows.start > 0)
    timeline.add_batched(batched)
    make_reply = partial(sample_reply, wanted, batched.results, rows.start, model.fingerprint)
    reply = await asyncio.to_thread(make_reply) if is_long(wanted, batched.results) else make_reply()
    timeline.add_encode(batched.passes[-1].ended_at, time.monotonic())
    return reply


async def _run_off_loop(num_images: int, work: Callable[..., T], *arguments: object) -> T:
    """Do work for `num_images` without holding up others: in a thread, unless it is short."""
    return work(*arguments) if num_images <= _MAX_INLINE_IMAGES else await asyncio.to_thread(work, *arguments)
