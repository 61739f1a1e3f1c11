"""`tandem models add`: files, folders and ids of the hub; what the servers would refuse is refused."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from services.ar.model.weights import open_checkpoint
from tandem.cli.main import app
from tandem.shared.models import ModelRepository
from tests.tiny_gguf import write_gguf
from tests.tiny_models import save_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("Tiny Llama")
    save_tiny_model(folder)
    return folder


def add(models_dir: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["models", "add", *words, "--models-dir", str(models_dir)])
    return result.exit_code, " ".join(result.output.split())


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    code, text = add(tmp_path, str(folder), "--name", "mine", "--licence", "MIT")
    assert (code, "mostly float32" in text, "a chat template" in text) == (0, True, True)
    model = ModelRepository(tmp_path).get("mine")
    assert (model.transformer_path(), model.spec.licence) == (folder, "MIT")
    code, text = add(tmp_path, str(folder), "--name", "mine")
    assert (code, "is there already; --name gives another name" in text) == (1, True)


def test_what_the_model_recommends_is_kept(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "source"
    shutil.copytree(folder, path)
    (path / "generation_config.json").write_text('{"temperature": 0.6, "top_k": 20, "eos_token_id": 1}')
    assert add(tmp_path / "models", str(path), "--name", "mine")[0] == 0
    sampling = ModelRepository(tmp_path / "models").get("mine").spec.sampling
    assert sampling is not None
    assert sampling.model_dump(exclude_none=True) == {"temperature": 0.6, "top_k": 20}
    (path / "generation_config.json").write_text('{"temperature": 60, "eos_token_id": 1}')
    code, text = add(tmp_path / "models", str(path), "--name", "hot")
    assert (code, "temperature: 60 is not accepted: input should be less than or equal to 10" in text) == (1, True)
    (path / "generation_config.json").write_text('{"temperature": 6}')
    assert add(tmp_path / "models", str(path), "--name", "hot")[0] == 0  # what was refused has left nothing behind


def test_a_file_and_what_it_takes(folder: Path, tmp_path: Path) -> None:
    path = write_gguf(open_checkpoint(folder), tmp_path / "Some Model.Q4_0.gguf", Type.Q4_0)
    code, text = add(tmp_path / "models", str(path))
    assert (code, "0.117 M weights, mostly int4" in text) == (0, True)
    assert "KV cache 0.375 KiB a token, 6.29 MB for 16,384" in text  # 3 layers x 2 x 2 heads x 16 numbers of 2 bytes
    assert ModelRepository(tmp_path / "models").get("some-model.q4_0").transformer_path() == path


def test_names_come_of_a_link_to_a_file_without_a_suffix_and_of_the_folder_in_which_one_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link to such a file is in the hub's cache."""
    write_gguf(open_checkpoint(folder), tmp_path / "blob", Type.Q4_0)
    (tmp_path / "tiny.gguf").symlink_to("blob")
    assert add(tmp_path / "models", str(tmp_path / "tiny.gguf"))[0] == 0
    assert ModelRepository(tmp_path / "models").get("tiny").transformer_path() == tmp_path / "tiny.gguf"
    monkeypatch.chdir(shutil.copytree(folder, tmp_path / "Source"))
    assert add(tmp_path / "models", ".")[0] == 0
    assert ModelRepository(tmp_path / "models").names() == ["source", "tiny"]


def test_a_full_disk_leaves_nothing_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fail)
    code, text = add(tmp_path, str(folder), "--name", "mine")
    assert (code, "cannot be written: No space left on device" in text) == (1, True)
    assert list(tmp_path.iterdir()) == []


def renamed(name: str) -> Callable[[Path, Path], Path]:
    return lambda folder, target: Path(shutil.copytree(folder, target / name))


def named_in_no_utf_8(folder: Path, target: Path) -> Path:
    return write_gguf(open_checkpoint(folder), target / "a\udcff.gguf", Type.Q4_0)


def with_half_a_chat_template(folder: Path, target: Path) -> Path:
    path = renamed("source")(folder, target)
    (path / "chat_template.jinja").write_text("{% for m in messages %}")
    return path


def with_a_weight_that_is_no_number(folder: Path, target: Path) -> Path:
    path = renamed("source")(folder, target)
    tensors = load_file(path / "model.safetensors")
    tensors["model.layers.2.self_attn.o_proj.weight"][3, 5] = float("nan")
    save_file(tensors, path / "model.safetensors")
    return path


def that_is_no_model(folder: Path, target: Path) -> Path:
    (target / "bad.gguf").write_bytes(b"not a model")
    return target / "bad.gguf"


REFUSED: list[tuple[Callable[[Path, Path], Path], list[str], str]] = [
    (renamed("модель ü"), [], "no name for the model can be made of 'модель ü'; give one with --name"),
    (named_in_no_utf_8, ["--name", "mine"], "the path of the weights is not; rename"),
    (with_half_a_chat_template, [], "the chat template: TemplateSyntaxError"),
    (renamed("source"), ["--name", "../mine"], "--name is '../mine'; accepted: 1 to 64 of"),
    (that_is_no_model, [], "not a GGUF file, or a damaged one"),
    (with_a_weight_that_is_no_number, [], "'model.layers.2.self_attn.o_proj.weight' holds NaN or infinity"),
]


@pytest.mark.parametrize(("make", "words", "why"), REFUSED)
def test_what_is_refused_leaves_nothing_behind(
    folder: Path, tmp_path: Path, make: Callable[[Path, Path], Path], words: list[str], why: str
) -> None:
    code, text = add(tmp_path / "models", str(make(folder, tmp_path)), *words)
    assert (code, why in text, (tmp_path / "models").exists()) == (1, True, False), text


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    """The hub's own client is told to stay offline, as it is on a machine without a network."""
    command = [sys.executable, "-m", "tandem.cli", "models", "add", "some/model", "--models-dir", str(tmp_path)]
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    text = " ".join(done.stderr.split())
    assert (done.returncode, "some/model: could not be fetched from Hugging Face's hub" in text) == (1, True)
    assert "copy the model here by other means and give its path" in text
