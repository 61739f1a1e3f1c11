"""How many bytes an image can take when it is sent, known before it is drawn. Knows nothing of messages or models."""

from collections.abc import Sequence

from services.common.images.encoding import Encoding

# Signature, header chunk and end chunk of a PNG file, and the frame of its first data chunk.
_PNG_FRAME_BYTES = 8 + 25 + 12 + 12
_PNG_CHUNK_BYTES = 64 * 1024
"""Data in a chunk as Pillow writes them; each further one has a frame of 12 bytes."""


def max_image_bytes(shape: Sequence[int], encoding: Encoding) -> int:
    """Return the most bytes of one image of shape [H, W, C]: exact for raw encodings, an upper bound for PNG."""
    height, width, num_channels = shape
    num_values = height * width * num_channels
    if encoding == "png":
        return _max_png_bytes(height * (1 + width * num_channels))
    return num_values * (4 if encoding == "float32" else 1)


def _max_png_bytes(num_bytes: int) -> int:
    """Return the most bytes of a file of so many filtered bytes: every row has one more, its filter's number."""
    # What zlib's deflateBound gives for any settings of the encoder, and the 6 bytes of zlib's own frame.
    deflated = num_bytes + (num_bytes >> 3) + (num_bytes >> 8) + (num_bytes >> 9) + 4 + 6
    return deflated + deflated // _PNG_CHUNK_BYTES * 12 + _PNG_FRAME_BYTES
