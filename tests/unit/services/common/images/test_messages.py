"""How many images a request may bring: bounded before any is decoded, as a small file may have many pixels."""

import numpy as np
import pytest

from services.common.images import messages
from services.common.images.encoding import encode_png
from services.common.images.messages import MAX_DECODED_BYTES, decode_images
from tandem.common.v1 import images_pb2
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec

PNG = images_pb2.ENCODING_PNG


def batch(spec: ImageSpec, count: int) -> images_pb2.ImageBatch:
    (file,) = encode_png(np.zeros((1, *spec.shape), np.uint8))
    return images_pb2.ImageBatch(shape=(count, *spec.shape), encoding=PNG, png=[file] * count)


def test_what_would_take_too_much_memory_is_refused_before_a_file_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ImageSpec(shape=(256, 256, 3))
    with monkeypatch.context() as patched:
        patched.setattr(messages, "decode_png", lambda *_: pytest.fail("a file was decoded"))
        accepted = "1 to 85, as the images of one request have at most 67108864 bytes as float32"
        with pytest.raises(InvalidArgument, match=rf"images.shape\[0\]: 86 is not accepted; accepted: {accepted}"):
            decode_images("images", batch(spec, 86), spec, 1024)
    assert decode_images("images", batch(spec, 85), spec, 1024).nbytes <= MAX_DECODED_BYTES


def test_one_image_of_any_size_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MAX_DECODED_BYTES", 100)
    spec = ImageSpec(shape=(8, 8, 1))
    assert len(decode_images("images", batch(spec, 1), spec, 1024)) == 1
    with pytest.raises(InvalidArgument, match="accepted: 1 to 1, "):
        decode_images("images", batch(spec, 2), spec, 1024)
