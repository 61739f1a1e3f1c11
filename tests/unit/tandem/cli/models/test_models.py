"""`tandem models` on a repository made for the test."""

import hashlib
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.cli.doctor import IDENTITY_MODEL
from tandem.cli.main import app

GAN = """
kind = "gan"
modality = "image"
licence = "MIT"
description = "Tiny"
generator = "generator.onnx"
[files]
"generator.onnx" = "{digest}"
"""
WHEEL = """
kind = "transformer"
modality = "text"
licence = "Apache-2.0"
[wheel]
requirement = "no-such-wheel==1.0"
wheel_sha256 = "{digest}"
member_sha256 = "{digest}"
member = "a/b.gguf"
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    digest = hashlib.sha256(IDENTITY_MODEL).hexdigest()
    for name, text in (("tiny-gan", GAN), ("far-away", WHEEL)):
        (folder / name).mkdir(parents=True)
        (folder / name / "model.toml").write_text(text.format(digest=digest))
    (folder / "tiny-gan" / "generator.onnx").write_bytes(IDENTITY_MODEL)
    return folder


def tandem(repository: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["models", *words, "--models-dir", str(repository)])
    return result.exit_code, result.output


def test_list_says_what_is_here_and_what_is_not(repository: Path) -> None:
    code, text = tandem(repository, "list")
    assert code == 0
    lines = {line.partition(":")[0]: line for line in text.splitlines() if "MIT" in line or "Apache" in line}
    assert "here" in lines["tiny-gan"]
    assert "to be" in lines["far-away"]


def test_check_opens_the_weights_with_their_reader_and_says_why_they_cannot_be_served(repository: Path) -> None:
    code, text = tandem(repository, "check", "tiny-gan")
    assert code == 1
    for part in ("needs generator, image.shape and image.latent_dim", "digests: 1 of 1", "ONNX, x [1] -> y [1]"):
        assert part in text
    (repository / "tiny-gan" / "generator.onnx").write_bytes(IDENTITY_MODEL + b"\0")
    code, text = tandem(repository, "check", "tiny-gan")
    assert (code, "SHA-256" in text) == (1, True)
    for name in ("nope", "../tiny-gan"):
        code, text = tandem(repository, "check", name)
        assert (code, "there are: far-away, tiny-gan" in text) == (1, True)


def test_list_names_what_is_no_model_or_lacks_weights_and_lists_the_others(repository: Path) -> None:
    for text in ('kind = "gan"', "kind = ", b"\xff".decode("latin-1")):
        (repository / "spoilt").mkdir(exist_ok=True)
        (repository / "spoilt" / "model.toml").write_text(text, encoding="latin-1")
        code, output = tandem(repository, "list")
        assert (code, "far-away: text transformer" in output) == (1, True)
        assert "model.toml: " in output.replace("\n", "").partition("spoilt: ")[2]
    shutil.rmtree(repository / "spoilt")
    (repository / "tiny-gan").rename(repository / "Tiny GAN")
    code, output = tandem(repository, "list")
    assert (code, "Tiny GAN: 'Tiny GAN' is no name for a model" in output) == (1, True)
    shutil.rmtree(repository / "Tiny GAN")
    (repository / "empty").mkdir()
    for source in ('huggingface = "nowhere"', 'huggingface = "."', "gguf = 'nowhere.gguf'", ""):
        text = f'kind = "transformer"\nmodality = "text"\nlicence = "MIT"\n{source}\n'
        (repository / "empty" / "model.toml").write_text(text)
        code, output = tandem(repository, "list")
        # A line that is folded may go on with the folder's name.
        line = next(line for line in output.splitlines() if line.startswith("empty: "))
        assert (code, "weights here" in line, tandem(repository, "check", "empty")[0]) == (0, False, 1)
