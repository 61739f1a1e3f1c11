"""What is asked and what is answered: requests for an image from either paradigm, and replies without a model."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2, served_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2

SAMPLE = "/tandem.gan.v1.GanService/Sample"
SAMPLE_STREAM = "/tandem.gan.v1.GanService/SampleStream"
GENERATE = "/tandem.ar.v1.AutoregressiveService/Generate"
GAN_MODEL, AR_MODEL = "fashion-gan", "fashion-ar"

FAST_MESSAGES = 64
"""Messages of a stream that comes as fast as it can."""

_NUM_REQUESTS = 256
_NUM_CLASSES = 10
_NOTHING = Timings(queue_seconds=1e-6, total_seconds=2e-6, mean_batch_size=1)


def sample_requests() -> Sequence[bytes]:
    """Return requests for one image each, of all classes and many seeds."""
    return [
        gan_pb2.SampleRequest(model=GAN_MODEL, count=1, labels=[seed % _NUM_CLASSES], seed=seed).SerializeToString()
        for seed in range(_NUM_REQUESTS)
    ]


def stream_requests() -> Sequence[bytes]:
    """Return a request for images that come one after another."""
    sample = gan_pb2.SampleRequest(model=GAN_MODEL, count=FAST_MESSAGES)
    return [gan_pb2.SampleStreamRequest(sample=sample).SerializeToString()]


def generate_requests() -> Sequence[bytes]:
    """Return requests for one streamed image each, of all classes and many seeds."""
    seeds = {seed: ar_pb2.SamplingParams(seed=seed) for seed in range(_NUM_REQUESTS)}
    return [
        ar_pb2.GenerateRequest(model=AR_MODEL, class_label=seed % _NUM_CLASSES, sampling=each).SerializeToString()
        for seed, each in seeds.items()
    ]


@dataclass(frozen=True)
class Ready:
    """A ready-made answer: `count` times `message`, `per_second` messages a second (0: all at once).

    `delays`: the seconds that successive calls wait for their answer; the first follows the last one again.
    `stall`: (period, length) in seconds; each period begins with a time of that length in which nothing is answered.
    """

    path: str
    message: Message
    count: int = 1
    per_second: float = 0.0
    served: served_pb2.Served | None = None
    delays: Sequence[float] = ()
    stall: tuple[float, float] | None = None

    def line(self) -> str:
        """Return the reply as a line of the backend's plan."""
        trailer = base64.b64encode(self.served.SerializeToString()).decode().rstrip("=") if self.served else "-"
        message = self.message.SerializeToString().hex() or "-"
        delays = ",".join(map(repr, self.delays)) or "-"
        stall = "{!r}:{!r}".format(*self.stall) if self.stall else "-"
        return f"{self.path} {trailer} {self.count} {self.per_second:g} {delays} {stall} {message}\n"


def plan(tokens: int, per_second: float, delays: Sequence[float] = (), stall: tuple[float, float] | None = None) -> str:
    """Return the plan of a backend of both paradigms: one 28 x 28 image, or `tokens` tokens at `per_second`.

    `delays` and `stall` apply to the image.
    """
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    ar_models = ar_pb2.ListModelsResponse(models=[ar_pb2.Model(name=AR_MODEL, modality="image")])
    gan_models = gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name=GAN_MODEL)])
    image = gan_pb2.SampleResponse(images=_images(28), labels=[0], seed=1, timings=_NOTHING)
    # As small as a token: what counts is the message.
    part = gan_pb2.SampleStreamResponse(part=gan_pb2.SampleResponse(images=_images(8)))
    token = ar_pb2.GenerateResponse(token_ids=[1], text_delta="word ")
    answers = (
        Ready("/grpc.health.v1.Health/Check", serving),
        Ready("/grpc.health.v1.Health/Watch", serving, count=1_000_000, per_second=0.2),
        Ready("/tandem.ar.v1.AutoregressiveService/ListModels", ar_models),
        Ready("/tandem.gan.v1.GanService/ListModels", gan_models),
        Ready(SAMPLE, image, served=_served(GAN_MODEL, 1), delays=delays, stall=stall),
        Ready(SAMPLE_STREAM, part, FAST_MESSAGES, served=_served(GAN_MODEL, FAST_MESSAGES)),
        Ready(GENERATE, token, tokens, per_second, _served(AR_MODEL, tokens)),
    )
    return "".join(each.line() for each in answers)


def _images(side: int) -> images_pb2.ImageBatch:
    encoding = images_pb2.ENCODING_RAW_UINT8
    return images_pb2.ImageBatch(shape=[1, side, side, 1], encoding=encoding, data=bytes(side * side))


def _served(model: str, outputs: int) -> served_pb2.Served:
    return served_pb2.Served(model=model, outputs=outputs, first_outputs=1, timings=_NOTHING, backend_seconds=2e-6)
