"""What the peers read of a request for images, and what they reply: the project's own messages, the least of them.

A seed gives latents by numpy's own generator: images differ from Tandem's of the same seed, not in the work they are.
"""

import numpy as np

from benchmarks.peers.gan.generator import LATENT_DIM, NUM_CLASSES, Floats, Labels, Levels
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2


def latents_of(request: gan_pb2.SampleRequest) -> tuple[Floats, Labels]:
    """Return the latents [N, 64] and classes [N] that are asked for, by a seed or as they are."""
    count = request.count or 1
    labels = np.array(request.labels, np.int64)
    if request.HasField("latents"):
        return np.array(request.latents.values, np.float32).reshape(count, LATENT_DIM), labels
    source = np.random.default_rng(request.seed)
    latents = source.standard_normal((count, LATENT_DIM), dtype=np.float32)
    return latents, labels if len(labels) == count else source.integers(0, NUM_CLASSES, count)


def reply_of(levels: Levels, seed: int) -> gan_pb2.SampleResponse:
    """Return the reply with the images [N, 28, 28, 1]."""
    batch = images_pb2.ImageBatch(shape=levels.shape, encoding=images_pb2.ENCODING_RAW_UINT8, data=levels.tobytes())
    return gan_pb2.SampleResponse(images=batch, seed=seed)
