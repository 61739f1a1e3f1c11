"""Imports go down only: tandem (stubs, client) <- runtime <- services, gateway; command line and bench on top."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("tandem", "runtime", "services", "gateway", "training", "bench", "deploy")

FORBIDDEN = {
    # folder: what its modules may not import
    "tandem/client": ("runtime", "services", "gateway", "bench", "torch", "onnxruntime"),
    "runtime": ("services", "gateway", "training", "bench", "tandem.client", "tandem.cli", "torch", "onnxruntime"),
    "services/ar": ("services.gan", "gateway", "training", "bench", "tandem.client", "tandem.cli", "onnxruntime"),
    "services/gan": ("services.ar", "gateway", "training", "bench", "tandem.client", "tandem.cli"),
    "services/common": ("services.ar", "services.gan", "gateway", "training", "bench", "tandem.client", "tandem.cli"),
    "gateway": ("services", "training", "bench", "tandem.client", "tandem.cli", "torch", "onnxruntime"),
    "training": ("gateway", "services.gan", "tandem"),
    "bench": ("gateway",),
    "bench/peers": ("bench.load", "tandem.client", "tandem.cli", "runtime", "services"),
    "deploy": ("tandem", "runtime", "services", "gateway", "training", "bench"),
}

CONFINED = {
    # library: the modules that may import it, by path prefix
    "torch": (
        *(f"services/ar/{name}" for name in ("checkpoint", "gguf_weights", "kv_cache", "safetensors_files")),
        *(f"services/ar/{name}" for name in ("computation", "loading", "model.py", "native", "quantised", "rotary")),
        *(f"services/ar/{name}" for name in ("computed", "finite_rows", "runner", "sampling.py", "torch_forward")),
        "services/ar/weights",
        "services/ar/packed_linear",
        "services/ar/exact",
        "services/ar/truncation",
        "services/ar/cuda",
        "training",
        "tandem/cli",
        "bench",
    ),
    "triton": ("services/ar/cuda",),
    "onnxruntime": ("services/common/runtimes/onnx_session", "training", "tandem/cli", "bench"),
    "openvino": ("services/common/runtimes/openvino_session", "bench"),
    "onnx": (
        *(f"services/common/runtimes/{name}" for name in ("rewrites", "onnx_file.py")),
        "training",
        "tandem/cli",
        "bench/runtimes",
    ),
    "prometheus_client": (
        "runtime/metrics",
        "services/ar/metrics",
        "services/gan/metrics",
        "gateway",
        "bench/hop/scrape",
    ),
    "signal": ("runtime/lifecycle", "runtime/process_group", "runtime/tethered", "tandem/cli", "bench"),
    "grafana_foundation_sdk": ("deploy/grafana",),
    "pickle": (),
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "_pb2" not in path.name:
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_nobody_imports_upwards(folder):
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        if path.startswith(f"{folder}/")
        for name in imported(tree)
        if any(is_within(name, package) for package in FORBIDDEN[folder])
    ]
    assert wrong == []


@pytest.mark.parametrize("library", CONFINED)
def test_a_library_stays_in_its_room(library):
    wrong = [
        path
        for path, tree in modules()
        if any(is_within(name, library) for name in imported(tree)) and not path.startswith(CONFINED[library] or "-")
    ]
    assert wrong == []


def test_the_environment_is_read_in_settings_alone():
    wrong = [
        path
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and "settings" not in path
    ]
    # Besides settings: the command line, the client's credentials, and a probe that must start fast.
    rooms = ("tandem/cli/", "tandem/client/credentials.py", "runtime/probe.py")
    assert [path for path in wrong if not path.startswith(rooms)] == []


def test_policy_is_plain_python():
    """Scheduling, block allocation and batching can be driven by a test with no model and no server."""
    policy = (
        "scheduler",
        "block_pool",
        "drafter",
        "ngram_draft",
        "sequence",
        "stop_strings",
        "engine",
        "batcher",
        "batch_queue",
    )
    wrong = [
        f"{path} imports {name}"
        for path, tree in modules()
        if path.startswith("services/") and Path(path).stem in policy
        for name in imported(tree)
        if any(is_within(name, library) for library in ("torch", "onnxruntime", "grpc", "google"))
    ]
    assert wrong == []
