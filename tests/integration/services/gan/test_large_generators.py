"""Larger generators, in colour, without classes, in either layout: they load, are rewritten and draw as they should."""

import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest

from benchmarks.harness.generators import Shape, write_random_generator
from services.common.runtimes.onnx_file import rewrite
from services.common.runtimes.openvino_session import is_installed, native_precisions
from services.gan.latents import draw_latents
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.services.gan.conftest import running_backend, tiny_settings

NCHW = Shape(64, 1024)
NHWC = dataclasses.replace(NCHW, layout="NHWC")
# As deep as one for 128 x 128 pixels, and as slow as a test may be.
LARGE = Shape(128, 256)

needs_openvino = pytest.mark.skipif(not is_installed(), reason="OpenVINO is not installed")
needs_bfloat16 = pytest.mark.skipif(
    not is_installed() or "bfloat16" not in native_precisions(), reason="bfloat16 is not native to this processor"
)


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    for name, shape in (("nchw", NCHW), ("nhwc", NHWC), ("large", LARGE)):
        write_random_generator(folder / name, shape)
    sizes = [(folder / name / "generator.onnx").stat().st_size for name in ("nchw", "nhwc")]
    assert min(sizes) > 4 * 13_000_000  # bytes of as many parameters
    return folder


def expected(models_dir, model, count):
    """Return what ONNX Runtime draws of the file as it is: [count, H, W, 3]."""
    path = models_dir / model / "generator.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = session.run(None, {"z": draw_latents(7, 0, count, 128)})[0]
    return images if model == "nhwc" else images.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("model", ["nchw", "nhwc", "large"])
@pytest.mark.parametrize(
    ("runtime", "precision", "tolerance"),
    [
        ("onnxruntime", "float32", 1e-4),
        pytest.param("openvino", "float32", 1e-4, marks=needs_openvino),
        pytest.param("openvino", "bfloat16", 0.1, marks=needs_bfloat16),
    ],
)
async def test_it_draws_what_its_file_draws(models_dir, model, runtime, precision, tolerance):
    settings = tiny_settings(
        models_dir, models=[model], runtime=runtime, precision=precision, num_instances=1, max_batch_size=4
    )
    async with running_backend(settings) as backend:
        (listed,) = (await backend.stub.ListModels(gan_pb2.ListModelsRequest())).models
        request = gan_pb2.SampleRequest(count=6, seed=7, encoding=images_pb2.ENCODING_RAW_FLOAT32)
        reply = await backend.stub.Sample(request)
        alone = await backend.stub.Sample(gan_pb2.SampleRequest(seed=7, encoding=images_pb2.ENCODING_RAW_FLOAT32))
    images = np.frombuffer(reply.images.data, "<f4").reshape(reply.images.shape)
    np.testing.assert_allclose(images, expected(models_dir, model, 6), atol=tolerance)
    assert alone.images.data == reply.images.data[: len(alone.images.data)]
    assert (listed.runtime.name, listed.runtime.precision) == (runtime, precision)
    assert listed.num_classes == 0


@pytest.mark.parametrize(("model", "num_doublings"), [("nchw", 4), ("nhwc", 4), ("large", 5)])
def test_all_of_its_convolutions_are_rewritten(models_dir, model, num_doublings):
    faster = rewrite(onnx.load(models_dir / model / "generator.onnx"))
    kinds = [node.op_type for node in faster.graph.node]
    assert "ConvTranspose" not in kinds
    assert kinds.count("DepthToSpace") == num_doublings + 1
