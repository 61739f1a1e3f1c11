"""The only door: gRPC and HTTP over one application layer.

Reading order = call order: grpc_transport, http_transport -> forward (permits, backend, replica) -> observation ->
metrics; answer is the end of each request, whichever way it came.
"""
