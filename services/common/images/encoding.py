"""Between a model's images and the bytes that travel: raw uint8, raw float32 and PNG, both ways, and how many bytes.

Images are float32 [N, H, W, C] in the model's own value range. Knows nothing of protobuf or models.
"""

import io
import struct
import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from services.common.bounds import check_bounds
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec

Encoding = Literal["uint8", "float32", "png"]
Images = npt.NDArray[np.float32]

PNG_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
EIGHT_BIT_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
# More than any encoder needs: a PNG of incompressible pixels is a little larger than they are.
PNG_OVERHEAD_BYTES = 64 * 1024
PNG_SIGNATURE_BYTES = 8
# All that Pillow needs for the pixels. It also unpacks each text and colour profile, up to 1,000 times their size.
PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# How far outside of the value range a raw float may lie, as a share of the range's width. Networks overshoot their own
# range by rounding: tanh as ONNX Runtime computes it gives -1.0000002. What is sent back must be accepted.
RANGE_TOLERANCE = 1e-3


def to_uint8(images: Images, value_range: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """Return the images with the value range spread over 0 to 255, rounded; what lies outside is cut off."""
    low, high = value_range
    levels = images - np.float32(low)
    levels *= np.float32(255.0 / (high - low))
    np.rint(levels, out=levels)
    # fmin and fmax turn a NaN into a number, which a cast to uint8 needs.
    np.fmin(levels, np.float32(255.0), out=levels)
    np.fmax(levels, np.float32(0.0), out=levels)
    return levels.astype(np.uint8)


def from_uint8(levels: npt.NDArray[np.uint8], value_range: tuple[float, float]) -> Images:
    """Return the inverse of `to_uint8`."""
    low, high = value_range
    return levels.astype(np.float32) * np.float32((high - low) / 255.0) + np.float32(low)


def check_png(field: str, num_channels: int) -> None:
    """Raises InvalidArgument if the format has no images of so many channels."""
    if num_channels not in PNG_MODES:
        raise InvalidArgument(field, "PNG", f"raw encodings: the model's images have {num_channels} channels")


def raw_bytes(parts: Sequence[npt.NDArray[Any]]) -> bytes:
    """Return the values of all parts, uint8 or float32, in the order of their shapes, little-endian."""
    if sys.byteorder == "big":
        parts = [pixels.astype(pixels.dtype.newbyteorder("<")) for pixels in parts]
    return parts[0].tobytes() if len(parts) == 1 else b"".join([pixels.tobytes() for pixels in parts])


def encode_png(levels: npt.NDArray[np.uint8]) -> list[bytes]:
    """Return one PNG file for each of the images [N, H, W, C], of 1, 3 or 4 channels."""
    return [_png(image[:, :, 0] if levels.shape[3] == 1 else image) for image in levels]


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def decode_raw(field: str, data: bytes, count: int, encoding: Encoding, spec: ImageSpec) -> Images:
    """Return the `count` images in `data`. Raises InvalidArgument if the length is wrong or a value out of range.

    Raw floats may lie RANGE_TOLERANCE outside of the value range; they are clipped into it.
    """
    dtype = np.dtype(np.uint8) if encoding == "uint8" else np.dtype("<f4")
    shape = (count, *spec.shape)
    num_bytes = int(np.prod(shape)) * dtype.itemsize
    if len(data) != num_bytes:
        raise InvalidArgument(f"{field}.data", f"{len(data)} bytes", f"{num_bytes} bytes for shape {list(shape)}")
    if encoding == "uint8":
        return from_uint8(np.frombuffer(data, np.uint8).reshape(shape), spec.value_range)
    values = np.frombuffer(data, dtype).reshape(shape).astype(np.float32, copy=False)
    return _within_range(f"{field}.data", values, spec.value_range)


def _within_range(field: str, values: Images, value_range: tuple[float, float]) -> Images:
    """Return the values clipped into the range. Raises InvalidArgument for one that is further out than tolerated."""
    low, high = value_range
    tolerance = (high - low) * RANGE_TOLERANCE
    accepted = f"{low:g} to {high:g}, and {tolerance:g} outside"

    def field_at(place: tuple[int, ...]) -> str:
        return field + "".join(f"[{index}]" for index in place)

    check_bounds(values, low - tolerance, high + tolerance, field_at, accepted)
    return np.clip(values, np.float32(low), np.float32(high))


def decode_png(field: str, files: Sequence[bytes], spec: ImageSpec) -> Images:
    """Return the images in PNG files. Raises InvalidArgument if one is no 8-bit PNG of the model's size."""
    check_png(f"{field}.encoding", spec.shape[2])
    levels = np.empty((len(files), *spec.shape), dtype=np.uint8)
    for index, file in enumerate(files):
        levels[index] = _pixels(f"{field}.png[{index}]", file, spec)
    return from_uint8(levels, spec.value_range)


def _pixels(field: str, file: bytes, spec: ImageSpec) -> npt.NDArray[np.uint8]:
    height, width, num_channels = spec.shape
    accepted = f"an 8-bit PNG file of {width}x{height} pixels"
    limit = height * width * num_channels + PNG_OVERHEAD_BYTES
    if len(file) > limit:
        raise InvalidArgument(field, f"{len(file)} bytes", f"{accepted}, at most {limit} bytes")
    try:
        # Opening reads the header alone, so the size is known before a pixel is unpacked.
        with Image.open(io.BytesIO(_without_metadata(file)), formats=["PNG"]) as image:
            if image.size != (width, height) or image.mode not in EIGHT_BIT_MODES:
                raise InvalidArgument(field, f"{image.size[0]}x{image.size[1]} pixels, {image.mode}", accepted)
            pixels = np.asarray(image.convert(PNG_MODES[num_channels]))
    except InvalidArgument:
        raise
    except Exception:
        # Broken files surface as anything from SyntaxError to zlib.error.
        raise InvalidArgument(field, file[:16], accepted) from None
    return pixels.reshape(spec.shape)


def _without_metadata(file: bytes) -> bytes:
    """Return a PNG file's signature and those of its chunks that are in PNG_CHUNKS, as broken as they are."""
    kept = [file[:PNG_SIGNATURE_BYTES]]
    start, kind = PNG_SIGNATURE_BYTES, b""
    while kind != b"IEND" and len(file) - start >= 8:
        length, kind = struct.unpack_from(">I4s", file, start)
        end = start + 12 + length  # with length, kind and checksum
        if kind in PNG_CHUNKS:
            kept.append(file[start:end])
        start = end
    return b"".join(kept)


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
