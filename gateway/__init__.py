"""The only door: gRPC and HTTP over one application layer.

Reading order = call order: grpc_transport -> forward (permits, backend, replica) -> observation -> metrics.
"""
