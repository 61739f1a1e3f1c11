"""Each file is hashed once, whoever asks, and what cannot be read is told to the one who asks."""

import hashlib
from pathlib import Path

import pytest

from tandem.shared import file_hashes
from tandem.shared.file_hashes import FileHashes, sha256_of


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("num_bytes", [0, 1, 6, 7, 8, 20])
def test_a_hash_is_that_of_the_whole_file(tmp_path, monkeypatch, num_bytes):
    monkeypatch.setattr(file_hashes, "_BYTES_AT_ONCE", 7)
    content = bytes(range(num_bytes))
    assert sha256_of(written(tmp_path / "file", content)) == hashlib.sha256(content).hexdigest()


def test_a_file_is_read_once(tmp_path):
    path, hashes = written(tmp_path / "file", b"first"), FileHashes()
    hashes.begin([path])
    found = hashes.of(path)
    path.write_bytes(b"second")
    hashes.begin([path])
    assert hashes.of(path) == found == hashlib.sha256(b"first").hexdigest()


def test_one_that_cannot_be_read_keeps_no_other_from_being_hashed(tmp_path):
    path, hashes = written(tmp_path / "file", b"content"), FileHashes()
    hashes.begin([tmp_path / "missing", path])
    with pytest.raises(FileNotFoundError):
        hashes.of(tmp_path / "missing")
    assert hashes.of(path) == sha256_of(path)
