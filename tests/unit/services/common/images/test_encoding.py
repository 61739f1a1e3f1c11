"""Images become bytes and come back; how many bytes is known before."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.images.encoding import (
    check_png,
    decode_png,
    decode_raw,
    encode_png,
    from_uint8,
    max_image_bytes,
    raw_bytes,
    to_uint8,
)
from tandem.shared.errors import InvalidArgument
from tandem.shared.model_spec import ImageSpec

RANGES = [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0), (-2.5, 7.0)]
GREY = ImageSpec(shape=(4, 5, 1))
COLOUR = ImageSpec(shape=(4, 5, 3), value_range=(0.0, 1.0))


def levels_of(spec: ImageSpec, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *spec.shape), dtype=np.uint8)


@pytest.mark.parametrize("value_range", RANGES)
def test_all_256_levels_survive_the_way_there_and_back(value_range):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    images = from_uint8(levels, value_range)
    assert images.dtype == np.float32
    assert (images.min(), images.max()) == pytest.approx(value_range, abs=1e-5)
    np.testing.assert_array_equal(to_uint8(images, value_range), levels)


def test_values_are_rounded_to_the_nearest_level_and_cut_off_outside():
    values = np.array([-5.0, -1.0, -0.0001, 0.0001, 1.0, 5.0, np.inf, -np.inf], dtype=np.float32)
    assert to_uint8(values.reshape(1, 1, 8, 1), (-1.0, 1.0)).ravel().tolist() == [0, 0, 127, 128, 255, 255, 255, 0]


def test_the_generator_s_own_array_is_left_alone():
    images = np.full((1, 2, 2, 1), 0.5, dtype=np.float32)
    to_uint8(images, (-1.0, 1.0))
    assert (images == 0.5).all()


@pytest.mark.parametrize("spec", [GREY, COLOUR])
@pytest.mark.parametrize("encoding", ["uint8", "float32"])
def test_raw_round_trip(spec, encoding):
    images = from_uint8(levels_of(spec), spec.value_range)
    data = raw_bytes([levels_of(spec) if encoding == "uint8" else images])
    assert len(data) == images.size * (1 if encoding == "uint8" else 4)
    np.testing.assert_allclose(decode_raw("images", data, 3, encoding, spec), images, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_parts_follow_each_other_however_their_memory_is_laid_out(dtype):
    images = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(dtype)
    for parts in ([images], [images[:1], images[1:]], [images.transpose(0, 2, 3, 1)], [images[:, ::2]]):
        assert raw_bytes(parts) == np.ascontiguousarray(np.concatenate(parts)).tobytes()


@pytest.mark.parametrize("spec", [GREY, COLOUR, ImageSpec(shape=(4, 5, 4))])
def test_png_round_trip(spec):
    images = from_uint8(levels_of(spec), spec.value_range)
    files = encode_png(levels_of(spec))
    assert len(files) == 3
    np.testing.assert_allclose(decode_png("images", files, spec), images, atol=1e-6)


@pytest.mark.parametrize(("encoding", "num_bytes"), [("uint8", 59), ("uint8", 61), ("uint8", 0), ("float32", 60)])
def test_raw_values_of_another_length_are_refused(encoding, num_bytes):
    with pytest.raises(InvalidArgument, match=r"images\.data"):
        decode_raw("images", bytes(num_bytes), 3, encoding, GREY)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"), (1e38, r"1e\+38"), (-1.003, "-1.003"), (1.003, "1.003")],
)
def test_raw_floats_out_of_range_are_refused_with_place_and_range(value, shown):
    values = np.zeros((2, *GREY.shape), dtype="<f4")
    values[1, 2, 3, 0] = value
    accepted = "accepted: -1 to 1, and 0.002 outside"
    with pytest.raises(InvalidArgument, match=rf"^images\.data\[1\]\[2\]\[3\]\[0\]: {shown} .*; {accepted}$"):
        decode_raw("images", values.tobytes(), 2, "float32", GREY)


@pytest.mark.parametrize("value_range", RANGES)
def test_raw_floats_a_little_out_of_range_are_clipped_into_it(value_range):
    low, high = value_range
    spec, slack = ImageSpec(shape=(4, 5, 1), value_range=value_range), 0.0009 * (high - low)
    values = np.full((1, 4, 5, 1), low, dtype="<f4")
    values[0, 0, :, 0] = low - slack, low, (low + high) / 2, high, high + slack
    decoded = decode_raw("images", values.tobytes(), 1, "float32", spec)
    assert decoded[0, 0, :, 0].tolist() == np.float32([low, low, (low + high) / 2, high, high]).tolist()
    np.testing.assert_array_equal(decoded[0, 1:], values[0, 1:])


def test_png_of_two_channels_is_refused_by_name():
    with pytest.raises(InvalidArgument, match="2 channels"):
        check_png("encoding", 2)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *extra: bytes, bit_depth: int = 8, colour_type: int = 0) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


PIXELS = zlib.compress(b"\0\1\2\3\4\5" * 4)
GOOD = png(5, 4, PIXELS)
HOSTILE = {
    "empty": b"",
    "text": b"not an image",
    "signature only": b"\x89PNG\r\n\x1a\n",
    "cut off in the header": GOOD[:20],
    "cut off in the pixels": GOOD[:50],
    "pixels that are no zlib stream": png(5, 4, b"\xff" * 30),
    "too few pixels": png(5, 4, zlib.compress(b"\0\1")),
    "wrong checksum": GOOD[:45] + bytes([GOOD[45] ^ 1]) + GOOD[46:],
    "another size": png(4, 5, zlib.compress(b"\0" * 25)),
    "size of a bomb": png(60_000, 60_000, zlib.compress(bytes(1_000_000))),
    "no size": png(0, 0, PIXELS),
    "largest size": png(2**31 - 1, 2**31 - 1, PIXELS),
    "16 bits": png(5, 4, zlib.compress(b"\0" * 44), bit_depth=16),
    "bad bit depth": png(5, 4, PIXELS, bit_depth=3),
    "bad colour type": png(5, 4, PIXELS, colour_type=5),
    "JPEG": b"\xff\xd8\xff\xe0" + bytes(60),
    "GIF": b"GIF89a" + bytes(60),
    "TIFF": b"II*\0" + bytes(60),
    "metadata that ends behind the file": png(5, 4, PIXELS, b"\xff\xff\xff\xfftEXt"),
    "padding": GOOD + bytes(1_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_png_is_refused_with_its_place(name):
    with pytest.raises(InvalidArgument, match=r"images\.png\[1\]"):
        decode_png("images", [GOOD, HOSTILE[name]], GREY)


METADATA = {
    "compressed text": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))),
    "international text": chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(1 << 20))),
    "broken compressed text": chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20))[:-9] + b"\xff" * 9),
    "colour profile": chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 20))),
}


@pytest.mark.parametrize("name", METADATA)
def test_compressed_metadata_is_never_unpacked(name, monkeypatch):
    file = png(5, 4, PIXELS, *[METADATA[name]] * (60_000 // len(METADATA[name])))
    expected = decode_png("images", [GOOD], GREY)
    unpacked = []
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: unpacked.append(name))
    np.testing.assert_array_equal(decode_png("images", [file], GREY), expected)
    assert not unpacked


def test_palette_and_transparency_of_a_png_count():
    palette, transparency = chunk(b"PLTE", bytes(range(18))), chunk(b"tRNS", bytes([255, 255, 7]))
    file = png(5, 4, PIXELS, palette, chunk(b"tEXt", b"a\0b"), transparency, colour_type=3)
    levels = to_uint8(decode_png("images", [file], ImageSpec(shape=(4, 5, 4))), (-1.0, 1.0))
    assert levels[0, 3, :2].tolist() == [[3, 4, 5, 255], [6, 7, 8, 7]]


@given(st.binary(max_size=200), st.integers(0, len(GOOD)), st.integers(0, 40))
def test_spoilt_png_is_an_image_or_an_invalid_argument(noise, place, removed):
    spoilt = GOOD[:place] + noise + GOOD[place + removed :]
    with contextlib.suppress(InvalidArgument):
        assert decode_png("images", [spoilt], GREY).shape == (1, 4, 5, 1)


SHAPES = [(1, 1, 1), (28, 28, 1), (128, 128, 3), (7, 300, 4), (400, 3, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_raw_images_have_exactly_that_size(shape: tuple[int, int, int]) -> None:
    assert len(raw_bytes([np.zeros((1, *shape), np.uint8)])) == max_image_bytes(shape, "uint8")
    assert len(raw_bytes([np.zeros((1, *shape), np.float32)])) == max_image_bytes(shape, "float32")


@pytest.mark.parametrize("shape", SHAPES)
def test_noise_which_no_encoder_makes_smaller_stays_below_the_bound_of_png(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (20, *shape), dtype=np.uint8)
    largest = max(map(len, encode_png(noise)))
    assert largest <= max_image_bytes(shape, "png") <= 1.2 * largest + 16
