"""`tandem doctor`: what this machine offers, and what prevents serving, found out piece by piece."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from tandem.cli.models.weights import weights_state
from tandem.cli.options import MODELS_DIR, ModelsDir
from tandem.cli.servers.gateway import envoy_version
from tandem.cli.servers.plan import Ports
from tandem.cli.servers.ports import is_free, listener
from tandem.cli.terminal import Terminal
from tandem.measure.meters.header import CPU_INFO, first_value
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.recipe import LibraryUnavailable
from tandem.shared.errors import NotFound
from tandem.shared.models import Model, ModelError, ModelRepository

CPU_FEATURES = (
    *("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"),
    *("asimd", "asimddp", "bf16", "sve"),
)
_MARKS = {True: Text("✓", "green"), False: Text("✗", "red"), None: Text("·", "dim")}
PORT_USES = (
    "gateway gRPC",
    "gateway web page",
    "sequential gRPC",
    "sequential metrics",
    "parallel gRPC",
    "parallel metrics",
)
# The smallest ONNX model, y = x over one float: enough to see whether an execution provider really runs.
IDENTITY_MODEL = (
    b'\x08\x08::\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x04tinyZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04'
    b"\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
COMPILERS = ("c++", "g++", "clang++")
COMMAND_SECONDS = 10
SILENT = 4


@dataclass(frozen=True)
class Finding:
    """One line of `tandem doctor`; `is_well` None is neither good nor bad."""

    name: str
    value: str
    is_well: bool | None = None


def doctor(terminal: Terminal, models_dir: ModelsDir = MODELS_DIR) -> None:
    """Say what this machine offers: processor, memory, libraries, runtimes that really run, ports, models."""
    sections: dict[str, Callable[[], Iterable[Finding]]] = {
        "machine": machine,
        "libraries": libraries,
        "ports": ports,
        "models": lambda: models(models_dir),
        "calibrations": lambda: calibrations(models_dir),
    }
    unwell: list[str] = []
    for name, find in sections.items():
        with terminal.working(f"looking at {name}"):
            found = list(find())
        terminal.out.print(Text(name, style="bold"))
        table = Table.grid(padding=(0, 2))
        for finding in found:
            table.add_row("", _MARKS[finding.is_well], finding.name, Text(finding.value, overflow="fold"))
        terminal.out.print(table)
        unwell += [f"{finding.name} ({finding.value})" for finding in found if finding.is_well is False]
    terminal.out.print(Text("verdict", style="bold"))
    ready = "Everything is ready: `tandem up` serves all models that are here."
    verdict = f"To be looked at: {'; '.join(unwell)}." if unwell else ready
    terminal.out.print(f"  {verdict}", markup=False)


def machine() -> Iterator[Finding]:
    """Python, processor, memory, compiler."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", True)
    yield Finding("processor", first_value(CPU_INFO, "model name") or platform.processor() or "unknown")
    flags = f"{first_value(CPU_INFO, 'flags')} {first_value(CPU_INFO, 'Features')}".split()
    yield Finding("cpu features", ", ".join(name for name in CPU_FEATURES if name in flags) or "none that matter here")
    yield Finding("cores", _cores())
    yield Finding("memory", _memory())
    yield _compiler()


def _cores() -> str:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").strip().partition(" ")
    limit = f", a container's limit of {int(quota) / int(period):g}" if quota.isdecimal() and period else ""
    return f"{usable} usable of {os.cpu_count()}{limit}"


def _memory() -> str:
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    available = first_value(Path("/proc/meminfo"), "MemAvailable").removesuffix(" kB")
    limit = _read("/sys/fs/cgroup/memory.max").strip()
    parts = [f"{total / 2**30:.1f} GiB"]
    if available.isdecimal():
        parts.append(f"{int(available) / 2**20:.1f} GiB available")
    if limit.isdecimal():
        parts.append(f"a container's limit of {int(limit) / 2**30:.1f} GiB")
    return ", ".join(parts)


def _compiler() -> Finding:
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if found is None:
        return Finding("C++ compiler", "none; the native kernel needs one at its first start")
    run = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    return Finding("C++ compiler", f"{found}: {(run.stdout or run.stderr).partition(chr(10))[0]}", run.returncode == 0)


def libraries() -> Iterator[Finding]:
    """Envoy, torch, the native kernel, and each provider that ONNX Runtime was built with: does it really run?"""
    yield _try("envoy", lambda: f"{envoy_version()}, the gateway's proxy", "none, so there is no gateway")
    yield _torch()
    if find_spec("onnxruntime") is None:
        yield Finding("onnxruntime", "not installed; a client needs none, `pip install '.[servers]'` brings it")
        return
    yield _try("native kernel", _kernel, "none, sequential models run as torch has them, far slower")
    yield _try("HTTP/2 server", _http2, "grpcio's, several times the cost a call")
    import onnxruntime

    yield Finding("onnxruntime", f"{onnxruntime.__version__} ({_onnxruntime_package()})", True)
    onnxruntime.set_default_logger_severity(SILENT)
    for provider in onnxruntime.get_available_providers():
        yield _provider(onnxruntime, provider)
    yield openvino()


def _torch() -> Finding:
    if find_spec("torch") is None:
        return Finding("torch", "not installed; it computes on GPUs, and where there is no native kernel")
    import torch

    device = f"CUDA: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no CUDA device"
    threads = f"{torch.get_num_threads()} threads, {torch.get_num_interop_threads()} between operators"
    return Finding("torch", f"{torch.__version__}, {device}, {threads}", True)


def _try(name: str, use: Callable[[], str], otherwise: str) -> Finding:
    """Return what there is to say of a library that runs, or why it does not; a compiled one is made, if need be."""
    try:
        return Finding(name, use(), True)
    except (OSError, LibraryUnavailable) as error:
        return Finding(name, f"{otherwise}: {error}", False)


def _kernel() -> str:
    from services.ar.compute.native.library import open_kernel

    return f"runs, for {open_kernel(cache_folder() / 'kernels').instruction_set}"


def _http2() -> str:
    from runtime.http2.library import open_http2

    open_http2()
    return "native, with nghttp2; grpcio's where there is TLS"


def _provider(onnxruntime: Any, provider: str) -> Finding:
    """Run the tiny model on one provider: what is compiled in may still lack its libraries or its device."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    try:
        session = onnxruntime.InferenceSession(IDENTITY_MODEL, options, providers=[provider], enable_fallback=0)
        runs_on = session.get_providers()[0]
        session.run(None, {"x": [1.0]})
    except Exception as error:  # a provider may raise anything of its own
        return Finding(f"  {provider}", f"compiled in, does not run here ({type(error).__name__})")
    if runs_on != provider:
        return Finding(f"  {provider}", "compiled in, does not run here (its libraries or its device are missing)")
    return Finding(f"  {provider}", "runs", True)


def openvino() -> Finding:
    """OpenVINO, and the precisions that it computes in by instructions of this processor."""
    from services.common.runtimes import openvino_session

    if not openvino_session.is_installed():
        return Finding("openvino", "not installed; ONNX Runtime draws images, which is slower on most processors")
    precisions = ", ".join(openvino_session.native_precisions())
    return Finding("openvino", f"{openvino_session.version()}, native here: {precisions}", True)


def calibrations(folder: Path) -> Iterator[Finding]:
    """How generators and token decoders were calibrated on this machine: a finding for each configuration.

    None on a client without the servers' packages, which calibrates nothing.
    """
    if find_spec("onnx") is None:
        return
    from services.common.machine import this_machine
    from services.common.runtimes.calibration_store import CalibrationStore
    from services.common.runtimes.onnx_file import read_onnx

    store = CalibrationStore(cache_folder() / "calibrations")
    for model in _models(folder):
        if isinstance(model, Finding) or weights_state(model) != "here":
            continue
        tokens = model.spec.image_tokens
        drawing = model.spec.generator if tokens is None else tokens.decoder
        if drawing is None:
            continue
        try:
            digest = read_onnx(model.path(drawing)).digest
        except ModelError as error:
            yield Finding(model.name, str(error), False)
            continue
        found = store.of_model(digest, this_machine())
        if not found:
            yield Finding(model.name, "not calibrated on this machine yet; the first start does it, in seconds")
        # There is a calibration for each combination of settings that was ever started; most choose the same.
        by_configuration: defaultdict[str, list[float]] = defaultdict(list)
        for calibration in found.values():
            trial = calibration.chosen_trial
            by_configuration[calibration.configuration.name] += trial.samples_per_second.values() if trial else ()
        for name, speeds in by_configuration.items():
            fast = f": up to {max(speeds):,.0f} images/s" if speeds else ""
            yield Finding(model.name, f"{name}{fast}", True)
        if disturbed := [calibration.disturbance for calibration in found.values() if calibration.disturbance]:
            yield Finding(model.name, f"{disturbed[0]}; a start on an idle machine calibrates again")


def _onnxruntime_package() -> str:
    for name in ("onnxruntime-gpu", "onnxruntime"):
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return "of unknown origin"


def ports() -> Iterator[Finding]:
    """The default ports: free, or who listens there."""
    for use, port in zip(PORT_USES, astuple(Ports()), strict=True):
        name = f"port {port} ({use})"
        if is_free(port):
            yield Finding(name, "free", True)
        else:
            yield Finding(name, f"in use by {listener(port) or 'a process that cannot be seen from here'}", False)


def models(folder: Path) -> Iterator[Finding]:
    """The models of the repository and whether their weights are here."""
    if not ModelRepository(folder).names():
        yield Finding("models", f"none in {folder}/", False)
    for model in _models(folder):
        if isinstance(model, Finding):
            yield model
            continue
        state = weights_state(model)
        yield Finding(model.name, state, state == "here" or None)


def _models(folder: Path) -> Iterator[Model | Finding]:
    """Yield the models; of one whose model.toml is wrong, a finding that says so."""
    repository = ModelRepository(folder)
    for name in repository.names():
        try:
            yield repository.get(name)
        except (NotFound, ModelError, OSError) as error:
            yield Finding(name, str(error), False)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
