import hashlib

import pytest

from tandem.shared.errors import NotFound
from tandem.shared.file_hashes import FileHashes
from tandem.shared.models import ModelError, ModelRepository

MINIMAL = 'kind = "gan"\nmodality = "image"\nlicence = "MIT"\n'
TRANSFORMER = 'kind = "transformer"\nmodality = "text"\nlicence = "MIT"\n'


@pytest.fixture
def repository(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.toml").write_text(MINIMAL)
    (tmp_path / "outside.toml").write_text(MINIMAL)
    (tmp_path / "no-toml").mkdir()
    return ModelRepository(tmp_path)


@pytest.mark.parametrize("name", ["three", "../../x", "..", "", "one/../two", "ONE", "/etc", "a" * 65, "no-toml"])
def test_any_other_name_is_not_found(repository, name):
    with pytest.raises(NotFound, match="there are: one, two" if name else "name one of: one, two"):
        repository.get(name)


def test_a_folder_whose_name_no_model_may_have_is_told_as_such(repository, tmp_path):
    (tmp_path / "one").rename(tmp_path / "ONE")
    with pytest.raises(ModelError, match="'ONE' is no name for a model; accepted: 1 to 64 of a-z"):
        repository.get("ONE")


@pytest.mark.parametrize(
    ("content", "message"),
    [("kind = 3", "kind"), (MINIMAL + "colour = 1", "colour"), ("[", "Invalid"), ("", "Field required")],
)
def test_a_wrong_model_toml_is_told(tmp_path, repository, content, message):
    (tmp_path / "one" / "model.toml").write_text(content)
    with pytest.raises(ModelError, match=message) as caught:
        repository.get("one")
    assert "one/model.toml" in str(caught.value)


@pytest.mark.parametrize("file", ["weights.pt", "weights.bin", "weights.pkl", "weights"])
def test_formats_that_may_hold_code_are_not_loaded(repository, tmp_path, file):
    (tmp_path / "one" / file).write_bytes(b"")
    with pytest.raises(ModelError, match=r"only .safetensors, .gguf, .onnx, .json files are loaded"):
        repository.get("one").path(file)


def test_digests_are_checked(repository, tmp_path):
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "one" / "model.toml").write_text(f'{MINIMAL}[files]\n"a.onnx" = "{digest}"\n')
    with pytest.raises(ModelError, match="no such file"):
        repository.get("one").verify_files()
    (tmp_path / "one" / "a.onnx").write_bytes(content)
    repository.get("one").verify_files()
    (tmp_path / "one" / "a.onnx").write_bytes(content + b"!")
    with pytest.raises(ModelError, match="SHA-256 is"):
        repository.get("one").verify_files()


def test_a_transformer_s_weights_are_hashed_though_no_digest_is_stated(repository, tmp_path):
    folder = tmp_path / "one"
    (folder / "model.toml").write_text(f'{TRANSFORMER}huggingface = "."\n[files]\n"config.json" = "{"0" * 64}"\n')
    for file in ("config.json", "model.safetensors", "notes.txt", "chat_template.jinja", "other.jinja"):
        (folder / file).write_text(file)
    names = [path.name for path in repository.get("one").weight_files()]
    assert names == ["config.json", "chat_template.jinja", "model.safetensors"]


def test_hashing_begins_for_all_models_but_those_that_are_wrong(repository, tmp_path, monkeypatch):
    content, begun = b"weights", []
    monkeypatch.setattr(FileHashes, "begin", lambda self, paths: begun.extend(paths))
    (tmp_path / "one" / "a.gguf").write_bytes(content)
    (tmp_path / "one" / "model.toml").write_text(f'{TRANSFORMER}gguf = "a.gguf"\n')
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "model.toml").write_text(f'{TRANSFORMER}gguf = "missing.gguf"\n')
    repository.begin_hashing(["none", "bad", "one"])
    assert begun == [tmp_path / "one" / "a.gguf"]
