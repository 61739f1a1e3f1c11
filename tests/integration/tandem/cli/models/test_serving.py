"""`tandem models check` loads a model as its backend does: what can be served, and why something cannot."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from tandem.cli.main import app
from tests.integration.services.gan.tiny_onnx import GREY, write_generator, write_model_toml
from tests.tiny_models import add_image_model, add_to_repository


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that can be served, and a judge."""
    folder = tmp_path_factory.mktemp("models")
    add_to_repository(folder, "text")
    add_image_model(folder, "image")
    for name in ("gan", "judge"):
        (folder / name).mkdir()
        write_generator(folder / name / "generator.onnx", GREY)
        write_model_toml(folder / name, GREY, classes=True)
    toml = folder / "judge" / "model.toml"
    toml.write_text(toml.read_text().replace('kind = "gan"', 'kind = "judge"'))
    return folder


@pytest.fixture
def models(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, to be spoilt. What loading finds out about this machine is kept nowhere."""
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TANDEM_AR_KERNEL", "torch")
    monkeypatch.setenv("TANDEM_DIVERSITY_EVERY", "0")
    return Path(shutil.copytree(whole, tmp_path / "models"))


def check(models: Path, name: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines that were printed."""
    ended = CliRunner().invoke(app, ["models", "check", name, "--models-dir", str(models)])
    assert not ended.exception or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.output.splitlines()


@pytest.mark.parametrize("name", ["text", "image", "gan"])
def test_what_can_be_served_is_said_to_be(models: Path, name: str) -> None:
    code, lines = check(models, name)
    assert (code, lines[-1]) == (0, f"{name}: can be served")


def test_a_judge_is_not_served(models: Path) -> None:
    code, lines = check(models, "judge")
    assert (code, lines[-1]) == (0, "judge: measures images, and is not served")


def with_a_foreign_architecture(models: Path) -> None:
    file = models / "text" / "weights" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"architectures": ["BertModel"]}))


def with_a_fixed_batch(models: Path) -> None:
    file = models / "gan" / "generator.onnx"
    generator = onnx.load(file)
    for end in (*generator.graph.input, *generator.graph.output):
        end.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(generator, file)
    write_model_toml(models / "gan", GREY, classes=True)


SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    ("text", lambda models: (models / "text/weights/tokenizer.json").unlink(), "tokenizer.json"),
    ("text", with_a_foreign_architecture, "architecture 'BertModel' is not supported"),
    ("text", lambda models: (models / "text/weights/model.safetensors").unlink(), "weights: no .safetensors file"),
    ("text", lambda models: shutil.rmtree(models / "text/weights"), "weights: no such folder"),
    ("gan", with_a_fixed_batch, "has the fixed batch size 1"),
    ("gan", lambda models: write_model_toml(models / "gan", GREY, classes=True, latent_dim=9), "float [batch, 9]"),
]


@pytest.mark.parametrize(("name", "spoil", "why"), SPOILT)
def test_what_cannot_be_served_is_told_in_a_sentence(
    models: Path, name: str, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(models)
    code, lines = check(models, name)
    assert code == 1
    assert why in " ".join(lines[-1:])
    assert not any("can be served" in line for line in lines)


# Prints "loading" in a thread that never ends, and "torn down" if the interpreter is.
ENDLESS = """
import atexit, signal, threading
from runtime.loading_thread import in_loading_thread
from tandem.cli.main import app
from tandem.cli.models import models

class Worker:
    async def start(self):
        await in_loading_thread(self.load)
    def load(self):
        print("loading", flush=True)
        threading.Event().wait()
    async def stop(self):
        pass

signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(print, "torn down")
models._worker = lambda model: Worker()
app()
"""


def test_ctrl_c_ends_the_process_without_tearing_it_down_under_the_thread_that_loads(models: Path) -> None:
    command = [sys.executable, "-c", ENDLESS, "models", "check", "gan", "--models-dir", str(models)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while "loading" not in (line := process.stdout.readline()):
            assert line
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in errors
