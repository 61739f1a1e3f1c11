"""Each bad request gets its clear error, and the next good one is served as if nothing had been."""

import math

import grpc
import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tests.integration.services.gan.tiny_onnx import LATENT_DIM

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND


def sample(**fields):
    return gan_pb2.SampleRequest(**{"model": "tiny", **fields})


def latents(*values: float) -> gan_pb2.Latents:
    return gan_pb2.Latents(values=values)


BAD_SAMPLES = {
    "count 0": (
        sample(count=0),
        INVALID,
        "count: 0 is not accepted; accepted: 1 to 5000, more than 32 by SampleStream",
    ),
    "count -1": (sample(count=-1), INVALID, "count: -1 is"),
    "count 10^9": (sample(count=10**9), INVALID, "count: 1000000000 is not accepted; accepted: 1 to 5000"),
    "label 10": (sample(labels=[10]), INVALID, "labels: 10 is not accepted; accepted: 0 to 2"),
    "label -1": (sample(labels=[-1]), INVALID, "labels: -1 is"),
    "labels of another number": (sample(count=3, labels=[0, 1]), INVALID, "labels: '2 labels'"),
    "label for a model without classes": (sample(model="plain", labels=[0]), INVALID, "the model has no classes"),
    "latents too short": (sample(latents=latents(1, 2)), INVALID, "latents.values: '2 numbers'"),
    "no latents": (sample(latents=latents()), INVALID, "latents.values: '0 numbers'"),
    "NaN in latents": (sample(latents=latents(*[math.nan] * LATENT_DIM)), INVALID, "latents.values[0]: nan"),
    "infinity in latents": (sample(latents=latents(*[math.inf] * LATENT_DIM)), INVALID, "latents.values[0]: inf"),
    "huge latent": (
        sample(latents=latents(*[0.0] * (LATENT_DIM - 1), -3.4e38)),
        INVALID,
        "latents.values[7]: -3.4e+38 is not accepted; accepted: -100 to 100",
    ),
    "truncation NaN": (sample(truncation=math.nan), INVALID, "truncation: nan is not accepted; accepted: 0.1 to 10"),
    "truncation 0": (sample(truncation=0), INVALID, "truncation: 0.0"),
    "truncation 11": (sample(truncation=11), INVALID, "truncation: 11.0"),
    "unknown encoding": (sample(encoding=77), INVALID, "encoding: 77"),
    "unknown model": (sample(model="nothing"), NOT_FOUND, "there is no 'nothing'; there are: colour, plain, tiny"),
    "path as a model": (sample(model="../../x"), NOT_FOUND, "there is no '../../x'"),
    "no model named though there are three": (sample(model=""), NOT_FOUND, "name one of: colour, plain, tiny"),
}


async def test_bad_sample(backend):
    for name, (request, code, words) in BAD_SAMPLES.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await backend.stub.Sample(request)
        assert refused.value.code() == code, name
        assert words in refused.value.details(), name
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in backend.stub.SampleStream(gan_pb2.SampleStreamRequest(sample=request)):
                pass
        # A stream may be longer than a unary reply, not endless.
        assert refused.value.code() == code, name
        assert code != INVALID or refused.value.details().startswith("sample."), name
        assert (await backend.stub.Sample(sample(seed=1))).images.data


@pytest.mark.parametrize("size", [0, -1, 9, 10**9])
async def test_bad_images_per_message(backend, size):
    request = gan_pb2.SampleStreamRequest(sample=sample(), images_per_message=size)
    with pytest.raises(grpc.aio.AioRpcError, match="images_per_message") as refused:
        async for _ in backend.stub.SampleStream(request):
            pass
    assert refused.value.code() == INVALID


def discriminator_inputs(**fields):
    images = {"shape": [1, 4, 4, 1], "encoding": images_pb2.ENCODING_RAW_UINT8, "data": bytes(16)}
    outer = {name: fields.pop(name) for name in ("model", "labels") if name in fields}
    batch = images_pb2.ImageBatch(**{**images, **fields})
    return gan_pb2.DiscriminateRequest(**{"model": "tiny", "labels": [0], "images": batch, **outer})


BAD_EXHIBITS = {
    "no images": (gan_pb2.DiscriminateRequest(model="tiny"), INVALID, "images.shape"),
    "another size": (discriminator_inputs(shape=[1, 5, 5, 1]), INVALID, "images.shape: [1, 5, 5, 1]"),
    "too many": (discriminator_inputs(shape=[10**9, 4, 4, 1]), INVALID, "images.shape[0]: 1000000000"),
    "too few bytes": (discriminator_inputs(data=bytes(15)), INVALID, "images.data: '15 bytes'"),
    "hostile PNG": (
        discriminator_inputs(encoding=images_pb2.ENCODING_PNG, data=b"", png=[b"\x89PNG\r\n\x1a\n"]),
        INVALID,
        "png[0]",
    ),
    "label 3": (discriminator_inputs(labels=[3]), INVALID, "labels: 3"),
    "no label": (discriminator_inputs(labels=[]), INVALID, "labels"),
    "model without a discriminator": (discriminator_inputs(model="plain"), INVALID, "a model with a discriminator"),
    "unknown model": (discriminator_inputs(model="../../x"), NOT_FOUND, "there is no '../../x'"),
}


async def test_bad_exhibits(backend):
    for name, (request, code, words) in BAD_EXHIBITS.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await backend.stub.Discriminate(request)
        assert refused.value.code() == code, name
        assert words in refused.value.details(), name
        assert (await backend.stub.Discriminate(discriminator_inputs())).feature_dim


async def test_message_above_4_mib_is_refused_and_others_are_served(backend):
    too_large = discriminator_inputs(data=bytes(5 << 20))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await backend.stub.Discriminate(too_large)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await backend.stub.Sample(sample(seed=1))).images.data


async def test_only_model_needs_no_name(narrow):
    assert (await narrow.stub.Sample(gan_pb2.SampleRequest(seed=1))).images.data
