"""The fast path of Sample: plain requests for a few images, without a coroutine each. Implements `FastPath`.

They have the same validation, queue, deadlines, metrics and replies as all others; what they do not have is anything
unusual. A request that the queue would refuse goes to the method, which says why.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import grpc
import numpy as np

from runtime.deadlines import Deadline
from runtime.http2.metadata import trailers
from runtime.http2.server import STOPPING
from runtime.metrics import BackendMetrics
from runtime.rpc.arrival import MAX_WAIT_SECONDS
from runtime.rpc.fast_path import Replies
from runtime.rpc.rpc import code_of, status_details
from runtime.rpc.served.ledger import ServedLedger
from runtime.rpc.served.trailer import SERVED_METADATA
from services.common.batching.request import BatchRequest
from services.gan.api.quick.calls import QuickCall, QuickCalls
from services.gan.api.quick.replies import QuickReplies, Reply
from services.gan.api.rendering import MAX_INLINE_BYTES, MAX_INLINE_IMAGES
from services.gan.api.reply_size import max_images
from services.gan.api.timeline import Timeline
from services.gan.drawing import Drawing
from services.gan.drawing_pass import Drawn, Part, joined
from services.gan.image_model import ImageModel
from services.gan.native.library import gan_library
from services.gan.settings import GanSettings
from services.gan.worker import GanWorker
from tandem.common.v1 import served_pb2
from tandem.shared.errors import Internal, TandemError

logger = logging.getLogger(__name__)

RPC = "Sample"
PATH = "/tandem.gan.v1.GanService/Sample"


class _Served:
    """A model, and how its replies are written."""

    def __init__(self, model: ImageModel, replies: QuickReplies, most: int) -> None:
        self.model = model
        self.replies = replies
        self.most = most  # images of a request
        self.num_classes = len(model.image.class_names)


@dataclass(slots=True)
class _Open:
    """A call that was begun."""

    call: QuickCall
    served: _Served
    seed: int
    arrival_wait_seconds: float
    request: BatchRequest[Part, Drawn]

    @property
    def received_at(self) -> float:
        """When the call arrived at the proxy, if there is one; monotonic seconds."""
        return self.request.accepted_at - self.arrival_wait_seconds


class SampleFastPath:
    """Serves the models of the worker, from when they are loaded. See `FastPath` for the methods."""

    def __init__(self, worker: GanWorker, settings: GanSettings, metrics: BackendMetrics, ledger: ServedLedger) -> None:
        self._worker = worker
        self._settings = settings
        self._metrics = metrics
        self._ledger = ledger
        self._calls: QuickCalls | None = None
        self._served: dict[bytes, _Served] = {}  # by the name in a request
        self._open: dict[int, _Open] = {}
        self._ended: list[tuple[_Open, TandemError | None]] = []  # since the event loop last went round
        self._waiter: asyncio.Future[None] | None = None

    def connect(self, replies: Replies) -> None:
        self._replies = replies
        self._loop = asyncio.get_running_loop()

    def take(self, records: bytes) -> bytes:
        calls = self._calls or self._open_calls()
        if calls is None:
            return records
        left, at = [], 0
        for call in calls.found(records):
            if self._begin(call):
                left.append(records[at : call.record.start])
                at = call.record.stop
        return b"".join((*left, records[at:])) if at else records

    def _open_calls(self) -> QuickCalls | None:
        """Return what finds calls: None while models load, which compiles the library, and without a compiler."""
        if self._worker.models and (library := gan_library()) is not None:
            self._calls = QuickCalls(library, PATH)
        return self._calls

    def _begin(self, call: QuickCall) -> bool:
        served = self._served.get(call.model) or self._find(call.model)
        if served is None or call.num_images > served.most:
            return False
        if call.label is not None and call.label >= served.num_classes:
            return False
        count = call.num_images
        seed = secrets.randbits(63) if call.seed is None else call.seed
        labels = None if call.label is None else np.full(count, call.label, np.int64)
        latent_dim, num_classes = served.model.image.latent_dim, served.num_classes
        drawing = Drawing(count, latent_dim, num_classes, "uint8", seed, explicit_labels=labels)
        wait = min(max(0.0, time.time() - call.arrived), MAX_WAIT_SECONDS) if call.arrived else 0.0
        on_end = partial(self._on_end, call.call_id)
        try:
            request = served.model.batcher.begin(
                (drawing, range(count)), count, Deadline(call.deadline), on_end, call.owner
            )
        except TandemError:
            return False
        self._open[call.call_id] = _Open(call, served, seed, wait, request)
        return True

    def _find(self, name: bytes) -> _Served | None:
        """Return the model that requests call so."""
        try:
            model = self._worker.get(name.decode())
        except (TandemError, UnicodeDecodeError):
            return None
        # Larger replies are the methods', which write them in a thread; one image is written here, however large.
        short = max(1, min(MAX_INLINE_IMAGES, MAX_INLINE_BYTES // math.prod(model.image.shape)))
        fitting = max_images(model.image, "uint8", self._settings.max_reply_bytes)
        most = min(short, fitting, self._settings.max_images_per_request)
        library = gan_library()
        assert library is not None  # noqa: S101  `take` has asked
        self._served[name] = _Served(model, QuickReplies(library, model), most)
        return self._served[name]

    def _on_end(self, call_id: int, _: BatchRequest[Part, Drawn], error: TandemError | None) -> bool:
        begun = self._open.pop(call_id)
        if not self._ended:
            self._loop.call_soon(self._reply)
        self._ended.append((begun, error))
        return True

    def _reply(self) -> None:
        ended, self._ended = self._ended, []
        finished: dict[_Served, list[_Open]] = {}
        for begun, error in ended:
            if error is None:
                finished.setdefault(begun.served, []).append(begun)
            else:
                self._fail(begun, error)
        for served, all_begun in finished.items():
            self._finish(served, all_begun)
        self._tell_ended()

    def _finish(self, served: _Served, all_begun: list[_Open]) -> None:
        now = time.monotonic()
        try:
            replies, _kept = zip(*[_reply_of(begun, now) for begun in all_begun], strict=True)
            written = served.replies.write(replies)
        except Exception:
            logger.exception("replies of %s cannot be written", served.model.name)
            for begun in all_begun:
                self._fail(begun, Internal())
            return
        self._observe(served.model.name, replies)
        for begun, told in zip(all_begun, written.served, strict=True):
            self._ledger.keep(begun.call.request_id, told)
        self._replies.finish_records(written.records, len(replies), written.num_bytes)

    def _observe(self, model: str, replies: Sequence[Reply]) -> None:
        queue, batch_wait, compute, encode, total = list(zip(*replies, strict=True))[5:10]
        phases = {"queue": queue, "batch_wait": batch_wait, "compute": compute, "encode": encode}
        self._metrics.observe_phases(model, phases)
        self._metrics.all_finished(RPC, "OK", total)

    def _fail(self, begun: _Open, error: TandemError) -> None:
        status = grpc.StatusCode[error.code].value[0]
        entries = (*status_details(error).items(), (SERVED_METADATA, self._count(begun, error.code)))
        self._replies.finish(begun.call.call_id, None, trailers(status, str(error), entries))

    def _count(self, begun: _Open, code: str) -> bytes:
        """Count a call without a reply; return what it was served."""
        seconds = time.monotonic() - begun.received_at
        self._metrics.finished(RPC, code, seconds, "")
        served = served_pb2.Served(
            model=begun.served.model.name,
            backend_seconds=seconds,
            arrival_wait_seconds=begun.arrival_wait_seconds,
        ).SerializeToString()
        self._ledger.keep(begun.call.request_id, served)
        return served

    def cancel(self, call_id: int) -> bool:
        begun = self._open.pop(call_id, None)
        if begun is None:
            return False
        begun.served.model.batcher.abandon(begun.request)
        self._count(begun, code_of(asyncio.CancelledError(), begun.request.deadline))
        self._tell_ended()
        return True

    @property
    def num_open(self) -> int:
        return len(self._open) + len(self._ended)

    async def wait_ended(self) -> None:
        if self.num_open:
            self._waiter = self._loop.create_future()
            await self._waiter

    def _tell_ended(self) -> None:
        if self._waiter is not None and not self.num_open and not self._waiter.done():
            self._waiter.set_result(None)

    def stop(self) -> None:
        status = grpc.StatusCode.UNAVAILABLE.value[0]
        for call_id in list(self._open):
            self.cancel(call_id)
            self._replies.finish(call_id, None, trailers(status, STOPPING))


def _reply_of(begun: _Open, now: float) -> tuple[Reply, Drawn]:
    """Return a reply, and the images that have to be there until it is written."""
    request = begun.request
    total = now - begun.received_at
    if (only := request.only) is not None:
        drawn, one = only
        compute = one.ended_at - one.started_at
        queue, batch_wait = request.taken_at - begun.received_at, one.ended_at - request.taken_at - compute
        encode, batch_size = now - one.ended_at, float(one.batch_size)
    else:
        batched = request.batched()
        drawn = joined(batched.results)
        timeline = Timeline()
        timeline.add_queue(begun.received_at, request.accepted_at)
        timeline.add_batched(batched)
        timeline.add_encode(batched.passes[-1].ended_at, now)
        timings = timeline.timings(total)
        queue, batch_wait = timings.queue_seconds, timings.batch_wait_seconds
        compute, encode, batch_size = timings.compute_seconds, timings.encode_seconds, timings.mean_batch_size
    whose = (begun.call.call_id, begun.seed, request.num_samples, drawn.address, drawn.labels_address)
    phases = (queue, batch_wait, compute, encode, total)
    return (*whose, *phases, batch_size, begun.arrival_wait_seconds), drawn
