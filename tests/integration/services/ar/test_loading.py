"""What a sequential image model's folder must be like to be loaded."""

import json
import shutil
import threading
from pathlib import Path

import onnx
import pytest
from prometheus_client import CollectorRegistry
from safetensors.torch import load_file, save_file

from services.ar.api.sequential_model import SequentialModel
from services.ar.compute import runner
from services.ar.compute.native.forward import NativeForward
from services.ar.loading import load, load_and_start
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from services.common.runtimes.openvino_session import is_installed, native_precisions
from tandem.shared.file_hashes import FileHashes
from tandem.shared.models import ModelError, ModelRepository
from tests.tiny_models import add_to_repository

ROOT = Path(__file__).parents[4]
needs_openvino = pytest.mark.skipif(not is_installed(), reason="OpenVINO is not installed")


@pytest.fixture
def folder(repository, tmp_path) -> Path:
    """A copy of the tiny image model, to be spoilt."""
    return Path(shutil.copytree(repository[0] / "tiny-image", tmp_path / "models" / "tiny-image"))


def attempt(folder: Path, **settings: object) -> SequentialModel:
    model = ModelRepository(folder.parent).get(folder.name)
    settings = ArSettings(models_dir=folder.parent, models=[folder.name], **settings)
    return load(model, settings, ArMetrics(CollectorRegistry()), FileHashes())


def replace(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def without_digests(folder: Path) -> None:
    text = (folder / "model.toml").read_text()
    start, end = text.index("[files]"), text.index("[image]")
    (folder / "model.toml").write_text(text[:start] + text[end:])


@pytest.mark.parametrize("file", ["model.safetensors", "token_decoder.onnx", "token_encoder.onnx"])
def test_a_changed_file_is_not_loaded(folder, file):
    with (folder / file).open("ab") as weights:
        weights.write(b"!")
    with pytest.raises(ModelError, match=f"{file}: SHA-256 is"):
        attempt(folder)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("first_class_token = 512", "first_class_token = 513", "need a vocab_size of 523, it is 522"),
        ("grid = [7, 7]", "grid = [7, 14]", "98 tokens an image, but a context of 50"),
        ("grid = [7, 7]", "grid = [7, 4]", r"token_decoder.onnx: expected one input, integer \[batch, 28\]"),
        ("shape = [28, 28, 1]", "shape = [28, 14, 1]", r"token_decoder.onnx: expected images \[batch, 1, 28, 14\]"),
        ('decoder = "token_decoder.onnx"', 'decoder = "decoder.pt"', "only .*onnx.* files are loaded"),
    ],
)
def test_a_model_toml_that_does_not_fit_its_files(folder, before, after, message):
    replace(folder / "model.toml", before, after)
    with pytest.raises(ModelError, match=message):
        attempt(folder)


def test_an_end_token_of_the_config_means_nothing_to_pictures(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["eos_token_id"] is not None  # what transformers writes by itself
    assert attempt(folder).codec.eos_token_ids == frozenset()


@pytest.mark.parametrize(("num_threads", "expected"), [(0, 1), (3, 3)])
def test_a_model_of_pictures_leaves_the_cores_to_others(folder, num_threads, expected):
    assert attempt(folder, num_threads=num_threads).engine._runner._forward._num_threads == expected


@pytest.mark.parametrize(("name", "steps"), [("tiny", 7), ("tiny-image", 0)])
async def test_what_computes_a_text_gives_way_before_its_threads_begin(repository, monkeypatch, name, steps):
    happened = []
    open_ = NativeForward.start
    monkeypatch.setattr(runner, "give_way", lambda nice: happened.append((nice, threading.current_thread().name)))
    monkeypatch.setattr(NativeForward, "start", lambda forward: happened.append("begins") or open_(forward))
    settings = ArSettings(models_dir=repository[0], models=[name], kernel="native", text_nice=7)
    loaded = await load_and_start(ModelRepository(repository[0]).get(name), settings, ArMetrics(CollectorRegistry()))
    for part in loaded.parts:
        await part.stop()
    assert happened == [(steps, "engine"), "begins"]


@pytest.mark.parametrize("runtime", ["onnxruntime", pytest.param("openvino", marks=needs_openvino)])
def test_the_token_decoder_runs_by_what_is_asked_for(folder, runtime):
    codec = attempt(folder, runtime=runtime, precision="float32").codec
    assert codec.causes["decoder"].startswith(f"{runtime}-float32-")
    assert len(codec.parts[0]._instances) == 1, "one thread beside those of the engine"


def test_a_precision_that_only_generators_have_is_not_for_the_token_decoder(folder):
    assert attempt(folder, precision="int8").codec.causes["decoder"] == attempt(folder).codec.causes["decoder"]


@needs_openvino
def test_a_token_decoder_may_run_in_bfloat16(caplog):
    """Its tokens are numbers that bfloat16 does not have."""
    if "bfloat16" not in native_precisions():
        pytest.skip("bfloat16 is not native to this processor")
    codec = attempt(ROOT / "models" / "fashion-sar", runtime="openvino", precision="bfloat16").codec
    assert codec.causes["decoder"].startswith("openvino-bfloat16-")
    assert "all the same" not in caplog.text


def test_a_fixed_batch_size_is_refused(folder):
    without_digests(folder)
    network = onnx.load(folder / "token_decoder.onnx")
    network.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(network, folder / "token_decoder.onnx")
    with pytest.raises(ModelError, match="fixed batch size 2"):
        attempt(folder)


@pytest.mark.parametrize("kernel", ["native", "torch"])
def test_a_weight_that_is_not_finite_is_told_by_its_tensor(folder, kernel):
    """No warm-up would meet it: it is in the embedding of the last token."""
    without_digests(folder)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"][-1, 0] = float("inf")
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"model.safetensors: 'model.embed_tokens.weight' holds NaN or infinity"):
        attempt(folder, kernel=kernel, device="cpu")


def test_a_text_model_needs_a_tokenizer(tmp_path):
    add_to_repository(tmp_path)
    (tmp_path / "tiny" / "weights" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"there is no tokenizer.json"):
        attempt(tmp_path / "tiny")


def test_another_kind_of_model_is_refused(tmp_path):
    folder = tmp_path / "judge"
    folder.mkdir()
    (folder / "model.toml").write_text('kind = "judge"\nmodality = "image"\nlicence = "MIT"\n')
    with pytest.raises(ModelError, match="judge: image judge, not a transformer"):
        attempt(folder)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("tiny-image", {"max_context_tokens": 49}, "max_context_tokens is 49, less than 50"),
        ("tiny", {"dtype": "int8", "kernel": "torch"}, "int8 needs the native kernel, which is for CPUs"),
        ("tiny", {"kernel": "native", "block_size": 8}, "no native kernel: block_size 8 is not a multiple of 16"),
        ("tiny", {"dtype": "int8", "block_size": 8}, "no native kernel: block_size 8 is not a multiple of 16"),
        ("tiny", {"kernel": "torch", "dtype": "bfloat16", "exact": "on"}, "exact: needs float32"),
        ("tiny", {"kernel": "native", "kv_cache_tokens": 2**50}, "kv_cache_tokens and max_context_tokens make the cac"),
        (
            "tiny",
            {"kernel": "torch", "kv_cache_tokens": 2**50},
            "kv_cache_tokens and max_context_tokens make the cache",
        ),
    ],
)
def test_what_settings_ask_for_is_had_or_refused(repository, name, settings, message):
    with pytest.raises(ModelError, match=message):
        attempt(repository[0] / name, device="cpu", **settings)
    if "exact" in settings:
        attempt(repository[0] / name, device="cpu", **settings | {"kernel": "native"})


def test_without_a_compiler_torch_computes_and_the_log_says_so(repository, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setenv("TANDEM_CACHE", str(tmp_path))
    attempt(repository[0] / "tiny", device="cpu")
    assert "no native kernel, no C++ compiler (g++, clang++, c++); on Debian: apt-get install g++" in caplog.text
    with pytest.raises(ModelError, match=r"no native kernel: no C\+\+ compiler"):
        attempt(repository[0] / "tiny", device="cpu", kernel="native")
