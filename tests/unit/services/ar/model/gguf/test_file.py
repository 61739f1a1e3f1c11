"""Headers of GGUF files: what a good one says, and lies about counts, lengths and places, each refused in words."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest

from services.ar.model.gguf.file import read_gguf
from services.ar.model.quantised import as_array
from tandem.shared.models import ModelError

TEXT, ARRAY, U8, U32 = 8, 9, 0, 4
F32, Q8_0 = 0, 8


def text(value: str, length: int | None = None) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data) if length is None else length) + data


def value(key: str, kind: int, data: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + data


def tensor(name: str, shape: tuple[int, ...] = (4,), kind: int = F32, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def header(
    values: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    data: int = 0,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """Return a file of these values and tensors, with `data` bytes behind them; `counts` it states: tensors, values."""
    num_tensors, num_values = counts or (len(tensors), len(values))
    head = b"GGUF" + struct.pack("<IQQ", 3, num_tensors, num_values) + b"".join(values) + b"".join(tensors)
    return head + bytes(-len(head) % 32 + data)


def read(tmp_path: Path, content: bytes):
    path = tmp_path / "a.gguf"
    path.write_bytes(content)
    return read_gguf(path)


def test_it_says_what_the_writer_wrote(tmp_path: Path) -> None:
    path = tmp_path / "good.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(64)
    writer.add_block_count(3)
    writer.add_rope_freq_base(1e4)
    writer.add_add_bos_token(True)
    writer.add_token_list(["a", "é", ""])
    writer.add_token_types([1, 3, 1])
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    writer.add_tensor("matrix", matrix)
    writer.add_tensor("halves", np.ones(5, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file = read_gguf(path)
    assert file.values["llama.block_count"] == 3
    assert file.values["llama.rope.freq_base"] == 1e4
    assert file.values["tokenizer.ggml.add_bos_token"] is True
    assert file.values["tokenizer.ggml.tokens"] == ["a", "é", ""]
    assert list(file.values["tokenizer.ggml.token_type"]) == [1, 3, 1]
    assert [(tensor.name, tensor.shape, tensor.format) for tensor in file.tensors] == [
        ("matrix", (2, 3), "float32"),
        ("halves", (5,), "float16"),
    ]
    np.testing.assert_array_equal(as_array(file.tensors[0].weights()), matrix)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (lambda n: {"counts": (n, 0), "data": 1000}, "the number of tensors is"),
        (lambda n: {"counts": (0, n), "data": 1000}, "the number of values is"),
        (lambda n: {"values": (text("key", n),)}, "the length of a key is"),
        (lambda n: {"values": (value("key", TEXT, text("abc", n)),)}, "the length of key is"),
        (lambda n: {"values": (value("key", ARRAY, struct.pack("<IQ", U8, n)),)}, "the number of key is"),
        (lambda n: {"values": (value("key", ARRAY, struct.pack("<IQ", TEXT, n)),)}, "the number of key is"),
        (lambda n: {"tensors": (text("name", n) + bytes(40),)}, "the length of the name of a tensor is"),
        (lambda n: {"tensors": (tensor("x", (n, n, n)),), "data": 100}, "the end of 'x', by its"),
        (lambda n: {"tensors": (tensor("x", offset=n // 32 * 32),), "data": 16}, "the end of 'x', by its"),
    ],
)
def test_a_count_or_length_beyond_the_file_is_refused(tmp_path: Path, parts, message: str) -> None:
    for count in (2**16 + 1, 2**40, 2**60, 2**64 - 1):
        with pytest.raises(ModelError, match=f"a.gguf: {message}.*accepted: ") as error:
            read(tmp_path, header(**parts(count)))
        assert len(str(error.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"values": (value("key", ARRAY, struct.pack("<IQ", ARRAY, 1)),)}, "the type of key is 9; accepted"),
        ({"values": (value("key", 13, b""),)}, "the type of key is 13; accepted"),
        ({"values": (value("key", U8, b"1"),) * 2}, "'key' is there twice"),
        ({"values": (value("key", TEXT, struct.pack("<Q", 1) + b"\xff"),)}, "key is no UTF-8"),
        ({"values": (value("general.alignment", U32, struct.pack("<I", 0)),)}, "general.alignment is 0; accepted"),
        ({"values": (value("general.alignment", U32, struct.pack("<I", 48)),)}, "alignment is 48; accepted: a power"),
        ({"values": (value("general.alignment", TEXT, text("32")),)}, "general.alignment is '32'; accepted"),
        ({"tensors": (tensor("x"), tensor("x", offset=32)), "data": 64}, "two tensors have the same name"),
        ({"tensors": (tensor("x", (16,)), tensor("y", (4,), offset=32)), "data": 64}, "'x' and 'y' lie in the same"),
        ({"tensors": (tensor("x", offset=4),), "data": 64}, "the offset of 'x' is 4; accepted: a multiple of 32"),
        ({"tensors": (tensor("x", (8,), offset=32),), "data": 63}, "the end of 'x', .* is 64; accepted: at most 63"),
        ({"tensors": (tensor("x", kind=99),), "data": 64}, "the type of 'x' is 99; accepted"),
        ({"tensors": (tensor("x", (33,), Q8_0),), "data": 64}, r"the shape of 'x' is \(33,\); accepted: rows of a"),
        ({"tensors": (tensor("x", (0,)),), "data": 64}, r"the shape of 'x' is \(0,\); accepted"),
        ({"tensors": (tensor("x", (1,) * 5),), "data": 64}, "the number of dimensions of 'x' is 5; accepted: 1 to 4"),
        ({"tensors": (tensor("x" * 10_000, (1,) * 5),), "data": 64}, "the number of dimensions of 'xx.{,99}' is 5"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, parts: dict, message: str) -> None:
    with pytest.raises(ModelError, match=f"a.gguf: .*{message}"):
        read(tmp_path, header(**parts))


def test_a_file_cut_anywhere_in_its_header_is_refused(tmp_path: Path) -> None:
    values = value("key", TEXT, text("abc")), value("list", ARRAY, struct.pack("<IQ", TEXT, 2) + text("a") + text("b"))
    whole = header(values=values, tensors=(tensor("x"),), data=16)
    read(tmp_path, whole)
    for length in range(len(whole)):
        with pytest.raises(ModelError, match=r"a\.gguf: "):
            read(tmp_path, whole[:length])


def test_another_version_or_byte_order_is_refused(tmp_path: Path) -> None:
    for version in (0, 1, 4, 3 << 24):
        with pytest.raises(ModelError, match=f"its version is {version}; accepted: 2 or 3, little-endian"):
            read(tmp_path, b"GGUF" + struct.pack("<IQQ", version, 0, 0))


def resident_kilobytes(path: Path) -> int:
    """Return how much of a mapped file this process holds in memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    places = [number for number, line in enumerate(lines) if line.endswith(str(path))]
    return sum(int(next(line for line in lines[place:] if line.startswith("Rss:")).split()[1]) for place in places)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is in memory")
def test_rows_are_read_past_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "large.gguf"
    path.write_bytes(header(tensors=(tensor("a.weight", (1 << 9, 1 << 9)),), data=1 << 20)[: -(1 << 20)])
    with path.open("ab") as file:
        file.write(np.random.default_rng(0).standard_normal(1 << 18, np.float32).tobytes())
    (matrix,) = read_gguf(path).tensors
    rows = matrix.decode(np.fromfile(path, np.uint8, 1 << 20, offset=matrix.start).reshape(1 << 9, -1))
    np.testing.assert_array_equal(as_array(matrix.weights()), rows)
    assert resident_kilobytes(path) <= 256  # the header, and what the kernel maps around it
