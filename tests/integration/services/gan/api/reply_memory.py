"""Program: how much memory a large reply takes beside its pixels, from the generator's output to the bytes that travel.

    python -m tests.integration.services.gan.api.reply_memory

Prints the growth of the process's peak as a multiple of the pixels' own bytes. A process of its own has no memory that
others have left free.
"""

import os

import numpy as np

from services.gan.api.reply import SamplePart, sample_reply
from services.gan.generator_batch import ImageSlice
from services.gan.image_request import ImageRequest
from tests.faults.readings import MIB, PeakMemory

NUM_IMAGES = 64


def pixels() -> np.ndarray:
    """Return 12.6 MB as a generator with channels first gives them."""
    return np.full((NUM_IMAGES, 3, 128, 128), 0.5, np.float32).transpose(0, 2, 3, 1)


def reply(drawn: ImageSlice) -> float:
    """Return the growth of the peak in MiB."""
    peak = PeakMemory(os.getpid())
    wanted = ImageRequest(count=NUM_IMAGES, latent_dim=8, num_classes=0, encoding="float32")
    message = SamplePart(sample_reply(wanted, [drawn], 0, "")).SerializeToString()
    assert len(message) >= drawn.pixels.nbytes
    return peak.growth_mib()


def main() -> None:
    # What a first reply loads, and a thread's own memory, are no part of it.
    reply(ImageSlice(pixels()[:1], None))
    drawn = ImageSlice(pixels(), None)
    print(reply(drawn) * MIB / drawn.pixels.nbytes)


if __name__ == "__main__":
    main()
