"""Images of a model that draws in parallel: all of them in one pass."""

from __future__ import annotations

from gateway.protocols.fields import Names
from gateway.protocols.openai.calls import Calls
from gateway.protocols.openai.catalogue import Served
from gateway.protocols.openai.images.classes import class_of
from gateway.protocols.openai.images.drawn import Drawn
from gateway.protocols.openai.replies.image import image_usage
from gateway.protocols.openai.requests.image import ImageBody
from gateway.protocols.openai.requests.seed import unsigned
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2

NAMES: Names = {"count": "n", "labels": "prompt"}


async def draw(body: ImageBody, model: Served, calls: Calls) -> Drawn:
    """Return all images; without a prompt, each one's class is drawn from the seed. Raises TandemError."""
    label = class_of(body.prompt, model.described)
    request = gan_pb2.SampleRequest(
        model=model.name,
        count=body.n,
        seed=unsigned(body.seed),
        labels=[] if label is None else [label],
        encoding=images_pb2.ENCODING_PNG,
    )
    reply = await calls.unary("Sample", request, NAMES)
    return Drawn(list(reply.images.png), reply.seed, reply.fingerprint, image_usage(0, 0))
