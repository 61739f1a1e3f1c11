"""The closed table of RPCs, read from the proto descriptors: what travels where, and how to measure a reply.

Knows nothing of channels or servers. Backends count with it what they send, the gateway what it routes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2

SEQUENTIAL = "sequential"
PARALLEL = "parallel"

SERVICES: Mapping[str, ServiceDescriptor] = {
    SEQUENTIAL: ar_pb2.DESCRIPTOR.services_by_name["AutoregressiveService"],
    PARALLEL: gan_pb2.DESCRIPTOR.services_by_name["GanService"],
}

_UNITS: Mapping[str, str] = {SEQUENTIAL: "token", PARALLEL: "image"}


def _num_images(images: Any) -> int:
    return images.shape[0] if images.shape else 0


# Replies that contain what was generated, and how many units.
_OUTPUTS: Mapping[str, Callable[[Any], int]] = {
    "GenerateResponse": lambda reply: len(reply.token_ids),
    "CompleteResponse": lambda reply: reply.usage.output_tokens,
    "SampleResponse": lambda reply: _num_images(reply.images),
    "SampleStreamResponse": lambda reply: _num_images(reply.part.images),
}


def _ends_an_image(choice: Any) -> bool:
    # An earlier message may carry a partial image; the one with the finish reason carries the complete one.
    return bool(choice.finish_reason) and choice.HasField("image")


# Replies that may carry what an image model made of its tokens: with it, sequential and parallel have one unit.
_IMAGES: Mapping[str, Callable[[Any], int]] = {
    "GenerateResponse": lambda reply: int(_ends_an_image(reply)),
    "CompleteResponse": lambda reply: sum(map(_ends_an_image, reply.choices)),
}


@dataclass(frozen=True, eq=False)
class Route:
    """One RPC. `unit` is what it generates, None if it generates nothing (Score, Discriminate, ListModels)."""

    paradigm: str
    service: str
    rpc: str
    streaming: bool
    request_class: type[Message]
    response_class: type[Message]
    unit: str | None
    outputs_of: Callable[[Any], int]
    """Takes a response: the output units that it carries."""
    images_of: Callable[[Any], int] | None
    """Takes a response: how many images it ends whose units are tokens; None if it never has any."""
    timings_of: Callable[[Any], Timings] | None
    """Takes a response: its timings, all zeros if they are not known yet; None if it never has any."""
    has_usage: bool
    """Whether a response says what its request consumed."""

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.rpc}"

    @property
    def units(self) -> tuple[str, ...]:
        """All that its replies may carry: what the budgets of its caller are for."""
        image_unit = ("image",) if self.response_class.DESCRIPTOR.name in _IMAGES else ()
        return (*((self.unit,) if self.unit else ()), *image_unit)


def all_routes() -> list[Route]:
    """Return every RPC of both services."""
    return [_route(paradigm, rpc) for paradigm, service in SERVICES.items() for rpc in service.methods]


def route_of(method: MethodDescriptor) -> Route | None:
    """Return the route of an RPC, None if it belongs to neither service."""
    name = method.containing_service.full_name
    return next((_route(paradigm, method) for paradigm, each in SERVICES.items() if each.full_name == name), None)


def list_models_route(paradigm: str) -> Route:
    """Return the paradigm's ListModels."""
    return _route(paradigm, SERVICES[paradigm].methods_by_name["ListModels"])


def _route(paradigm: str, method: MethodDescriptor) -> Route:
    reply = method.output_type
    outputs_of = _OUTPUTS.get(reply.name)
    holder = getattr(reply.fields_by_name.get("part"), "message_type", reply)
    timings = "timings" if holder is reply else "part.timings"
    return Route(
        paradigm=paradigm,
        service=method.containing_service.full_name,
        rpc=method.name,
        streaming=method.server_streaming,
        request_class=GetMessageClass(method.input_type),
        response_class=GetMessageClass(reply),
        unit=_UNITS[paradigm] if outputs_of else None,
        outputs_of=outputs_of or (lambda _: 0),
        images_of=_IMAGES.get(reply.name),
        timings_of=attrgetter(timings) if "timings" in holder.fields_by_name else None,
        has_usage="usage" in reply.fields_by_name,
    )
