"""Imports go down only, between packages and between the rooms of a service; a library stays in its rooms."""

import ast

import pytest

from tests.contract.source import imported, is_within, modules, reached

COMMAND_LINE = ("tandem.measure", "tandem.cli", "benchmarks")
USERS_SIDE = ("tandem.client", *COMMAND_LINE)
SERVERS = ("runtime", "services", "gateway", "training")
LIBRARIES = ("torch", "onnxruntime", "openvino")

FORBIDDEN = {
    # room: what its modules may not import
    "tandem/shared": ("tandem.client", *SERVERS, *COMMAND_LINE, *LIBRARIES),
    "tandem/client": (*SERVERS, *COMMAND_LINE, *LIBRARIES),
    "tandem/measure": (*SERVERS, "tandem.cli", "benchmarks", "torch"),
    "tandem/cli": ("training", "benchmarks"),
    "runtime": ("services", "gateway", "training", *USERS_SIDE, *LIBRARIES),
    "services/common": ("services.ar", "services.gan", "gateway", "training", *USERS_SIDE, "torch"),
    "services/ar": ("services.gan", "gateway", "training", *USERS_SIDE, "onnxruntime", "openvino"),
    "services/gan": ("services.ar", "gateway", "training", *USERS_SIDE, "torch"),
    "gateway": ("services", "training", *USERS_SIDE, *LIBRARIES),
    "training": ("gateway", "tandem.cli", "benchmarks"),
    "training/gan": ("services", "tandem.client"),
    "training/judge": ("services", "tandem.client"),
    "training/tokenizer": ("services", "tandem.client"),
    "training/transformer": ("services.common", "services.gan", "tandem.client"),
    "benchmarks": ("gateway", "training"),
    "benchmarks/peers": ("runtime", "services", "tandem.client", "tandem.measure"),
    "deploy": ("tandem", "runtime", "services", "gateway", "training", "benchmarks"),
    # within the sequential service: api -> engine and codecs; compute -> engine and model
    "services/ar/model": tuple(f"services.ar.{room}" for room in ("api", "codecs", "compute", "constraints", "engine")),
    "services/ar/engine": tuple(
        f"services.ar.{room}" for room in ("api", "codecs", "compute", "constraints", "model", "loading")
    ),
    "services/ar/compute": ("services.ar.api", "services.ar.codecs", "services.ar.constraints"),
    "services/ar/codecs": tuple(f"services.ar.{room}" for room in ("api", "compute", "constraints", "engine")),
    "services/ar/constraints": tuple(f"services.ar.{room}" for room in ("api", "compute", "engine", "model")),
    # within the measuring: results and statistics know neither the generator nor studies
    "tandem/measure/results": tuple(
        f"tandem.measure.{room}" for room in ("generator", "statistics", "studies", "report")
    ),
    "tandem/measure/statistics": tuple(f"tandem.measure.{room}" for room in ("generator", "studies", "report")),
    "tandem/measure/meters": tuple(f"tandem.measure.{room}" for room in ("generator", "studies", "report")),
    "tandem/measure/generator": ("tandem.measure.studies", "tandem.measure.report"),
    "tandem/measure/studies": ("tandem.measure.report",),
}

CONFINED = {
    # library: the rooms (or files of a name) that may import it
    "torch": (
        "services/ar/compute/torch/",
        "services/ar/compute/cuda/",
        "training/",
        "tandem/cli/doctor.py",
        "benchmarks/",
    ),
    "llguidance": ("services/ar/constraints/",),
    "triton": ("services/ar/compute/cuda/",),
    "onnxruntime": ("services/common/runtimes/", "training/", "tandem/cli/", "tandem/measure/quality/", "benchmarks/"),
    "openvino": ("services/common/runtimes/", "benchmarks/"),
    "onnx": ("services/common/runtimes/", "training/", "tandem/", "benchmarks/"),
    "prometheus_client": (
        "/metrics.py",
        "runtime/vllm_names.py",
        "/histogram.py",
        "/metrics_page.py",
        "gateway/",
        "benchmarks/",
    ),
    "signal": ("runtime/process/", "tandem/", "benchmarks/", "training/loop"),
    "grafana_foundation_sdk": (),
    "pickle": (),
}

SPEAKS_GRPC = (
    "/__main__.py",
    "services/ar/serving.py",
    "/api/",
    "services/common/images/",
    "runtime/",
    "gateway/",
    "tandem/",
    "benchmarks/",
    "training/release/",
)
"""Rooms that may know grpc and protobuf: the edges, and what tests or measures them."""

PLAIN = (
    "services/ar/engine/",
    "services/common/batching/",
    "services/common/fair_queue",
    "services/common/waiting_line",
    "services/common/waiting_line",
)
"""Scheduling, block allocation and batching, which a test can drive with no model and no server."""


def is_in(path: str, rooms: tuple[str, ...]) -> bool:
    """Return whether a module is in one of the rooms, which are beginnings, or parts where they begin with a slash."""
    return any(room in path if room.startswith("/") else path.startswith(room) for room in rooms)


@pytest.mark.parametrize("room", FORBIDDEN)
def test_nobody_imports_upwards(room):
    wrong = [
        f"{path} imports {name}"
        for path in modules()
        if path.startswith(f"{room}/")
        for name in imported(path)
        if any(is_within(name, package) for package in FORBIDDEN[room])
    ]
    assert wrong == []


@pytest.mark.parametrize("library", CONFINED)
def test_a_library_stays_in_its_rooms(library):
    users = [path for path in modules() if any(is_within(name, library) for name in imported(path))]
    assert [path for path in users if not is_in(path, CONFINED[library])] == []


def test_grpc_and_protobuf_stay_at_the_edges():
    speaking = ("grpc", "google.protobuf", "google.rpc", "tandem.ar", "tandem.gan", "tandem.common", "tandem.oip")
    users = [path for path in modules() if any(is_within(name, each) for name in imported(path) for each in speaking)]
    assert [path for path in users if not is_in(path, SPEAKS_GRPC)] == []


def test_the_environment_is_read_in_settings_alone():
    readers = [
        path
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv") and "settings" not in path
    ]
    # Besides settings: the command line, the client's credentials, a probe that must start fast, and benchmarks; an
    # entry sets what a library reads.
    entries = ("runtime/probe.py", "services/ar/__main__.py", "tandem/shared/cache_folder.py")
    rooms = ("tandem/cli/", "tandem/client/credentials.py", *entries, "benchmarks/")
    assert [path for path in readers if not is_in(path, rooms)] == []


@pytest.mark.parametrize("path", [path for path in modules() if is_in(path, PLAIN)])
def test_policy_is_plain_python_through_all_that_it_imports(path):
    wrong = [
        f"{module} imports {name}"
        for module, name in reached(path)
        if any(is_within(name, library) for library in (*LIBRARIES, "grpc", "google", "prometheus_client"))
    ]
    assert wrong == []
