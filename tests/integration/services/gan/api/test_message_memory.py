"""What replies cost in memory, measured as peaks of real processes."""

import asyncio
import subprocess
import sys

import grpc
import pytest

from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.faults.readings import PeakMemory
from tests.integration.services.gan.test_process import process, ready
from tests.large_generator import add_large_generator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


async def test_a_stream_takes_memory_by_its_parts_and_not_by_its_length(tmp_path):
    """1,000 images are 197 MB of floats; what is made ahead of the reader are 38 MB of them."""
    add_large_generator(tmp_path, width=4)
    async with (
        process(tmp_path, "--models", "large", "--runtime", "onnxruntime", "--num-instances", "2") as (running, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        await ready(channel)
        stub = gan_pb2_grpc.GanServiceStub(channel)
        peak = PeakMemory(running.pid)
        assert await _drawn(stub, 1000) == 1000 * 4 * 128 * 128 * 3
        assert peak.growth_mib() < 150


async def _drawn(stub: gan_pb2_grpc.GanServiceStub, count: int) -> int:
    """Draw as many images as floats, one part after another; return their bytes."""
    sample = gan_pb2.SampleRequest(count=count, seed=1, encoding=images_pb2.ENCODING_RAW_FLOAT32)
    num_bytes = 0
    async with asyncio.timeout(120):
        async for message in stub.SampleStream(gan_pb2.SampleStreamRequest(sample=sample)):
            num_bytes += len(message.part.images.data)
    return num_bytes


LARGE_REPLY = """
import os
import numpy as np
from services.gan.api.reply import SamplePart, sample_reply
from services.gan.generator_batch import ImageSlice
from services.gan.image_request import ImageRequest
from tests.faults.readings import MIB, PeakMemory

def growth(count):
    pixels = np.full((count, 3, 128, 128), 0.5, np.float32).transpose(0, 2, 3, 1)  # as from a model of channels first
    wanted = ImageRequest(count=count, latent_dim=8, num_classes=0, encoding="float32")
    peak = PeakMemory(os.getpid())
    message = SamplePart(sample_reply(wanted, [ImageSlice(pixels, None)], 0, "")).SerializeToString()
    assert len(message) >= pixels.nbytes
    return peak.growth_mib() * MIB / pixels.nbytes

growth(1)  # what a first reply loads is no part of it
print(growth(64))
"""


def test_a_large_reply_is_not_copied_from_message_to_message():
    """Twice the pixels: once in the order of the reply, once in the bytes. Inside a message they would cost more.

    A process of its own has no memory that others have left free.
    """
    command = [sys.executable, "-c", LARGE_REPLY]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert 1 < float(printed) < 2.5
