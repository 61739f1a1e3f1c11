"""A server of the service in strangers.proto, with reflection: `python -m …` prints its port and serves.

Count streams so many messages; Wait answers after so many seconds.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection

from tandem.measure.generator.requests.methods import compile_proto

PROTO = Path(__file__).with_name("strangers.proto")


def main() -> None:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(compile_proto(PROTO)).file:
        pool.Add(file)
    service = pool.FindServiceByName("stranger.v1.Counter")
    request, response = (
        GetMessageClass(pool.FindMessageTypeByName(f"stranger.v1.Count{name}")) for name in ("Request", "Response")
    )

    def count(asked, context):
        for number in range(asked.count):
            yield response(number=number)

    def wait(asked, context):
        time.sleep(asked.count)
        return response(number=asked.count)

    coding = {"request_deserializer": request.FromString, "response_serializer": response.SerializeToString}
    handlers = {
        "Count": grpc.unary_stream_rpc_method_handler(count, **coding),
        "Wait": grpc.unary_unary_rpc_method_handler(wait, **coding),
    }
    server = grpc.server(ThreadPoolExecutor(64), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service.full_name, handlers)])
    reflection.enable_server_reflection([service.full_name, reflection.SERVICE_NAME], server, pool)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
