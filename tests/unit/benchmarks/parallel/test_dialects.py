"""What requests for tensors say, as a server reads them; Tandem's own are checked before every load."""

import numpy as np

from benchmarks.parallel.dialects import OPEN_INFERENCE, drawn_latents
from tandem.oip import grpc_service_pb2


def test_tensors_of_the_open_inference_protocol_are_raw_and_described() -> None:
    latents, labels = drawn_latents(3, seed=7)
    request = grpc_service_pb2.ModelInferRequest.FromString(OPEN_INFERENCE.explicit(latents, labels))
    shapes = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in request.inputs}
    assert shapes == {"latent": ("FP32", [3, 64]), "label": ("INT64", [3, 1])}
    assert np.array_equal(np.frombuffer(request.raw_input_contents[0], np.float32).reshape(3, 64), latents)
    assert np.array_equal(np.frombuffer(request.raw_input_contents[1], np.int64), labels)
    assert OPEN_INFERENCE.seeded(3, 7) == OPEN_INFERENCE.explicit(latents, labels)
    levels = np.random.default_rng(1).integers(0, 256, (3, 784)).astype(np.uint8)
    reply = grpc_service_pb2.ModelInferResponse(raw_output_contents=[levels.tobytes()])
    assert np.array_equal(OPEN_INFERENCE.levels(reply.SerializeToString()), levels)
