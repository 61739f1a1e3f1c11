"""Any gRPC method of any server: its types, by server reflection or from a file, and request messages made of JSON."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tandem.client.credentials import Credentials, open_channel
from tandem.measure.scenario import Delivery
from tandem.shared.errors import ExpectedError

_COMPILE_SECONDS = 60.0


@dataclass(frozen=True)
class Method:
    """`name` is package.Service/Method; `request` the class of its request messages."""

    name: str
    delivery: Delivery
    request: Any

    def message(self, value: Any) -> bytes:
        """Return the serialised request that a JSON value stands for. Raises ValueError."""
        wanted = self.request.DESCRIPTOR.full_name
        # Only protobuf's own types may be written otherwise, as a google.protobuf.Timestamp, which is a text.
        if not isinstance(value, dict) and not wanted.startswith("google.protobuf."):
            raise ExpectedError(f"{self.name}: no {wanted}: {json.dumps(value)} is no JSON object")
        try:
            message = json_format.ParseDict(value, self.request())
        except (json_format.ParseError, TypeError) as error:
            raise ExpectedError(f"{self.name}: no {wanted}: {error}") from None
        return bytes(message.SerializeToString())


async def reflect_method(address: str, name: str) -> Method:
    """Return a method as the server at `address` describes it. Raises ValueError."""
    return await asyncio.to_thread(_reflect_method, address, name)


def _reflect_method(address: str, name: str) -> Method:
    with open_channel(address, Credentials.from_environment()) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        try:
            return _method(pool, name, f"the server at {address}")
        except grpc.RpcError as error:
            code = error.code() if isinstance(error, grpc.Call) else error
            raise ExpectedError(
                f"{address} does not tell of its methods by reflection ({code}); give --proto"
            ) from None


def read_method(file: Path, name: str) -> Method:
    """Return a method of a .proto file, or of a descriptor set: `protoc --include_imports --descriptor_set_out`.

    Raises ValueError, OSError.
    """
    raw = compile_proto(file) if file.suffix == ".proto" else file.read_bytes()
    pool = DescriptorPool()
    try:
        for proto in FileDescriptorSet.FromString(raw).file:
            pool.Add(proto)
    except (DecodeError, TypeError) as error:
        raise ExpectedError(f"{file}: neither a .proto file nor a descriptor set: {error}") from None
    return _method(pool, name, str(file))


def compile_proto(file: Path) -> bytes:
    """Return the descriptor set of a .proto file and what it imports. Raises ValueError, OSError."""
    file.stat()  # so that a file that is not there is named
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        flags = ("--include_imports", f"--descriptor_set_out={made}", f"-I{file.parent}")
        command = [sys.executable, "-m", "grpc_tools.protoc", *flags, str(file)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
        if "No module named" in ended.stderr:
            raise ExpectedError(f"{file}: to read it, `pip install grpcio-tools`; a descriptor set needs nothing")
        if ended.returncode != 0:
            raise ExpectedError(f"{file}: {ended.stderr.strip()}")
        return made.read_bytes()


def _method(pool: DescriptorPool, name: str, where: str) -> Method:
    service_name, _, method_name = name.partition("/")
    try:
        service = pool.FindServiceByName(service_name)
    except KeyError:
        raise ExpectedError(f"{where} has no service {service_name!r}; a method is package.Service/Method") from None
    method = service.methods_by_name.get(method_name)
    if method is None:
        there_are = ", ".join(sorted(service.methods_by_name))
        raise ExpectedError(f"{service_name} has no method {method_name!r}; there are: {there_are}")
    if method.client_streaming:
        raise ExpectedError(f"{name}: the client streams its requests; unary and server-streaming methods are accepted")
    return Method(name, "streamed" if method.server_streaming else "unary", GetMessageClass(method.input_type))


def read_messages(file: Path, method: Method) -> tuple[bytes, ...]:
    """Return the requests in a file: a JSON message, or a list of them. Raises ValueError, OSError."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExpectedError(f"{file}: no JSON: {error}") from None
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ExpectedError(f"{file}: an empty list; at least one message is needed")
    return tuple(method.message(value) for value in values)
