"""The Open Inference Protocol v2 with Triton's streams and statistics, over gRPC and HTTP.

Reading order: tensors (typed inputs and outputs), models (what each kind of model takes and gives), parameters (what a
request may say besides its tensors), inference (one request through Envoy), then the two transports: service and stream
for gRPC, http for HTTP. `protocol` puts it together.
"""
