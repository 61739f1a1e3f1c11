"""A plain gRPC client, with no option set, draws images of any size through the real gateway."""

import subprocess
import sys

import grpc
import numpy as np
import pytest

from tandem.client import TandemClient
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.e2e.stacks import running_stack
from tests.large_generator import add_large_generator

FLOAT32 = images_pb2.ENCODING_RAW_FLOAT32
NUM_IMAGES = 64
SHAPE = (128, 128, 3)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models")
    add_large_generator(models_dir, width=4)
    with running_stack(ar=None, gan=("--models", "large", "--models-dir", str(models_dir))) as stack:
        yield stack


@pytest.fixture
def stub(large):
    with grpc.insecure_channel(large.address) as channel:
        yield gan_pb2_grpc.GanServiceStub(channel)


SAMPLE = gan_pb2.SampleRequest(model="large", count=NUM_IMAGES, seed=3, encoding=FLOAT32)


def test_a_plain_client_draws_what_fits_no_message_as_a_stream(stub):
    parts = [message.part for message in stub.SampleStream(gan_pb2.SampleStreamRequest(sample=SAMPLE))]
    pixels = np.frombuffer(b"".join(part.images.data for part in parts), "<f4").reshape(NUM_IMAGES, *SHAPE)
    assert np.abs(pixels).max() <= 1
    assert len(np.unique(pixels.reshape(NUM_IMAGES, -1), axis=0)) == NUM_IMAGES
    single = stub.Sample(gan_pb2.SampleRequest(model="large", seed=3, encoding=FLOAT32)).images
    np.testing.assert_array_equal(np.frombuffer(single.data, "<f4"), pixels[0].ravel())


def test_the_client_and_the_command_do_it_by_themselves(large, tmp_path):
    with TandemClient(large.address) as client:
        images = client.sample(NUM_IMAGES, model="large", seed=3, encoding="float32")
    assert images.pixels.shape == (NUM_IMAGES, *SHAPE)
    place = ("--out", str(tmp_path / "grid.png"), "--address", large.address)
    command = ("sample", "--count", "100", "--seed", "3", *place)
    done = subprocess.run([sys.executable, "-m", "tandem.cli", *command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "100 images in" in done.stdout + done.stderr
