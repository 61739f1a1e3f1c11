"""Every method of a server as its reflection lists it, so that no service can be forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


@dataclass(frozen=True)
class Method:
    """One registered method; `path` is what HTTP/2 calls it."""

    path: str
    request_class: type[Message]
    response_class: type[Message]

    @property
    def is_watch(self) -> bool:
        """Whether a reply's stream stays open until somebody leaves."""
        return self.path == "/grpc.health.v1.Health/Watch"

    @property
    def is_own(self) -> bool:
        """Whether the service makes something, so that its requests are counted; what proxies ask is not."""
        return self.path.startswith(("/tandem.ar.", "/tandem.gan."))


def reflected_methods(address: str) -> tuple[Method, ...]:
    """Return every method of every service that the server at `host:port` lists, reflection itself included.

    Raises grpc.RpcError if the server does not answer, KeyError if it lists a service that it cannot describe.
    """
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        services = [pool.FindServiceByName(name) for name in sorted(database.get_services())]
        return tuple(_method(method) for service in services for method in service.methods)


def _method(method: MethodDescriptor) -> Method:
    path = f"/{method.containing_service.full_name}/{method.name}"
    return Method(path, GetMessageClass(method.input_type), GetMessageClass(method.output_type))
