"""The committed model itself: loads, keeps its promises in any company, and draws what its discriminator likes."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from services.common.runtimes.openvino_session import is_installed, native_precisions
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.services.gan.conftest import running_backend, tiny_settings

MODELS = Path(__file__).parents[4] / "models"
FOLDER = MODELS / "fashion-gan"

pytestmark = [
    pytest.mark.skipif(
        not (FOLDER / "generator.onnx").is_file(), reason="models/fashion-gan/generator.onnx is not there"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]

RUNTIMES = {
    "as calibrated": {"runtime": "auto", "num_instances": 0},
    "onnxruntime": {"runtime": "onnxruntime", "precision": "float32"},
    "openvino in float32": {"runtime": "openvino", "precision": "float32"},
    "openvino in bfloat16": {"runtime": "openvino", "precision": "bfloat16"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=RUNTIMES)
async def fashion(request):
    """A server of the model; to load it takes longer than most tests."""
    settings = tiny_settings(
        MODELS,
        models=["fashion-gan"],
        max_batch_size=64,
        max_queued_images=4096,
        max_images_per_request=1024,
        **RUNTIMES[request.param],
    )
    wanted = (settings.runtime, settings.precision)
    if "openvino" in wanted and not is_installed():
        pytest.skip("OpenVINO is not installed")
    if "bfloat16" in wanted and "bfloat16" not in native_precisions():
        pytest.skip("bfloat16 is not native to this processor")
    async with running_backend(settings) as backend:
        yield backend


async def drawn(fashion, **fields):
    return await fashion.stub.Sample(gan_pb2.SampleRequest(**fields))


async def test_a_thousand_requests_in_random_company_get_the_bytes_they_get_alone(fashion):
    source = np.random.default_rng(2)
    wanted = [
        {
            "seed": int(source.integers(0, 2**63)),
            "count": int(source.choice([1, 1, 1, 2, 3])),
            "encoding": images_pb2.ENCODING_RAW_FLOAT32,
        }
        for _ in range(1000)
    ]
    alone = [(await drawn(fashion, **fields)).images.data for fields in wanted]
    order = source.permutation(len(wanted))
    places = asyncio.Semaphore(256)  # fewer than the calls that a server lets wait to be begun

    async def in_company(index: int):
        async with places:
            return await drawn(fashion, **wanted[index])

    together = await asyncio.gather(*(in_company(index) for index in order))
    differing = sum(reply.images.data != alone[index] for index, reply in zip(order, together, strict=True))
    assert differing == 0
    assert max(reply.timings.mean_batch_size for reply in together) > 8


async def test_discriminate_takes_every_float_that_sample_gives(fashion):
    """Also of the largest latents: tanh overshoots its range by rounding there."""
    latents = np.sign(np.random.default_rng(3).standard_normal((64, 64))) * 100
    largest = {"count": 64, "latents": gan_pb2.Latents(values=latents.ravel())}
    for fields in ({"seed": 4, "count": 512}, largest):
        reply = await drawn(fashion, encoding=images_pb2.ENCODING_RAW_FLOAT32, **fields)
        assert np.isfinite(np.frombuffer(reply.images.data, "<f4")).all()
        verdict = await fashion.stub.Discriminate(gan_pb2.DiscriminateRequest(images=reply.images, labels=reply.labels))
        assert np.isfinite(verdict.scores).all()


async def test_every_reply_has_the_fingerprint_that_the_list_has(fashion):
    (model,) = (await fashion.stub.ListModels(gan_pb2.ListModelsRequest())).models
    runtime = model.runtime
    assert model.fingerprint.startswith(f"{runtime.name}-{runtime.precision}-")
    assert (await drawn(fashion, seed=1)).fingerprint == model.fingerprint
    sample = gan_pb2.SampleRequest(seed=1, count=100)
    async for message in fashion.stub.SampleStream(gan_pb2.SampleStreamRequest(sample=sample, images_per_message=40)):
        assert message.part.fingerprint == model.fingerprint


async def test_what_runs_it_is_said_and_counted(fashion):
    (model,) = (await fashion.stub.ListModels(gan_pb2.ListModelsRequest())).models
    runtime = model.runtime
    assert (runtime.num_instances, runtime.threads_per_instance) >= (1, 1)
    assert runtime.rms_difference < (0.02 if runtime.precision == "int8" else 1 / 255)
    labels = {"runtime": runtime.name, "version": runtime.version, "precision": runtime.precision}
    labels |= {"instruction_set": runtime.instruction_set, "fingerprint": model.fingerprint}
    assert fashion.sample("tandem_runtime_info", model="fashion-gan", **labels) == 1
    for size, speed in runtime.images_per_second.items():
        assert fashion.sample("tandem_calibrated_images_per_second", model="fashion-gan", batch_size=str(size)) == speed
