"""The Open Inference Protocol v2 with Triton's streams and statistics, over gRPC and HTTP.

Reading order: tensors, models (what each kind of model takes and gives), inference (one request through Envoy),
information (all else that clients ask), then the two transports: protocol, which puts it together, and stream for gRPC,
http for HTTP.
"""
