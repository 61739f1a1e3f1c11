"""Who is measured: Tandem itself, and peers, each in an environment of its own and with the same model file."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import grpc
import onnx
import onnxruntime

from benchmarks.harness.backend import GAN_MODEL
from benchmarks.harness.processes import ROOT, Service, free_port, running, service
from benchmarks.parallel import wrk
from benchmarks.parallel.bars import DIRECT, EQUAL, MOSEC, MOSEC_INT8, NATIVE, PLAIN, TRITON
from benchmarks.parallel.dialects import OPEN_INFERENCE, OVER_HTTP, TANDEM, Dialect
from benchmarks.peers.installing import CannotSetUp, environment, once, run, unpack_debian_package
from services.common.runtimes import openvino_session
from services.common.runtimes.onnx_file import read_onnx, rewrite

_RUNTIME = onnxruntime.__version__  # the service's own, so that what differs is the server
VERSIONS = {"mosec": "0.9.8", "nvidia-pytriton": "0.7.0", "onnxruntime": _RUNTIME}
if openvino_session.is_installed():
    VERSIONS["openvino"] = openvino_session.version()
_MOSEC_FLAGS = ("--address", "127.0.0.1", "--log-level", "error")
_NATIVE = ROOT / "benchmarks/peers/gan/native/server.cpp"
_NATIVE_LIBRARIES = ("-lgrpc++", "-lgrpc", "-lgpr", "-lprotobuf", "-labsl_synchronization")
_TRITON_MODEL = """
name: "gan" backend: "python" max_batch_size: 64 dynamic_batching {}
input [{ name: "latent" data_type: TYPE_FP32 dims: [64] }, { name: "label" data_type: TYPE_INT64 dims: [1] }]
output [{ name: "image" data_type: TYPE_UINT8 dims: [28, 28, 1] }]
instance_group [{ count: %d kind: KIND_CPU }]
parameters { key: "generator" value { string_value: "%s" } }
"""


@dataclass(frozen=True)
class Contender:
    """`start` runs its processes until it is left."""

    name: str
    dialect: Dialect
    start: Callable[[], AbstractContextManager[Service]]


def tandem() -> list[Contender]:
    """Return the service as it chooses to compute, and the same with the peers' runtime and precision."""
    chosen = partial(service, "services.gan", GAN_MODEL)
    as_peers = partial(chosen, "--runtime", "onnxruntime", "--precision", "float32")
    return [Contender(DIRECT, TANDEM, chosen), Contender(EQUAL, TANDEM, as_peers)]


@dataclass(frozen=True)
class Peers:
    """Where peers are installed, the generator's file, and its int8 form."""

    folder: Path
    generator: Path
    int8: Path | None = None

    def set_up(self, name: str) -> Contender:
        """Install what is missing of a peer. Raises CannotSetUp if this machine cannot have it."""
        makers = {PLAIN: self._plain, MOSEC: self._mosec, TRITON: self._triton, NATIVE: self._native}
        return {**makers, MOSEC_INT8: self._mosec_int8}[name]()

    def _python(self, package: str, *others: str) -> Path:
        """Return the interpreter of an environment with the package, ONNX Runtime, and others as they are here."""
        requirements = [f"{name}=={VERSIONS[name]}" for name in (package, "onnxruntime")]
        requirements += [f"{name}=={version(name)}" for name in others]
        return environment(self.folder / "-".join((package, *others)), requirements)

    def _plain(self) -> Contender:
        """Return the plain server, which needs nothing that Tandem does not."""
        return _module(PLAIN, TANDEM, Path(sys.executable), "plain", self.generator)

    def _mosec(self) -> Contender:
        wrk.install(self.folder / "wrk")
        return _module(MOSEC, OVER_HTTP, self._python("mosec", "protobuf"), "mosec", self.generator, *_MOSEC_FLAGS)

    def _mosec_int8(self) -> Contender:
        """Return mosec with the int8 file in the form and the runtime in which Tandem computes it."""
        if self.int8 is None or "openvino" not in VERSIONS:
            raise CannotSetUp("there is no int8 form, or no OpenVINO")
        wrk.install(self.folder / "wrk")
        file = read_onnx(self.int8)
        rewritten_file = self.folder / "int8.onnx"
        onnx.save(rewrite(file.model) or file.model, rewritten_file)
        python, flags = self._python("mosec", "protobuf", "openvino"), ("--openvino", "--batch", "16")
        return _module(MOSEC_INT8, OVER_HTTP, python, "mosec", rewritten_file, *_MOSEC_FLAGS, *flags)

    def _triton(self) -> Contender:
        python = self._python("nvidia-pytriton")
        packages = python.parents[1] / f"lib/python{sysconfig.get_python_version()}/site-packages"
        server = packages / "pytriton/tritonserver"
        stub = server / "backends/python/triton_python_backend_stub"
        if not stub.exists():  # the wheel has one for each version of Python, and no default
            stub.symlink_to(server / f"python_backend_stubs/{sysconfig.get_python_version()}" / stub.name)
        folders = (f"--model-repository={self._triton_models(packages)}", f"--backend-directory={server / 'backends'}")
        flags = ("--allow-metrics=false", "--allow-http=false", "--grpc-address=127.0.0.1", "--exit-timeout-secs=2")
        command = (str(server / "bin/tritonserver"), *folders, *flags)
        return _contender(TRITON, OPEN_INFERENCE, lambda port: [*command, f"--grpc-port={port}"])

    def _triton_models(self, packages: Path) -> Path:
        """Write the repository of the one model and return its folder.

        The backend's interpreter knows neither the environment nor PYTHONPATH, so the file begins with its paths.
        """
        repository = self.folder / "nvidia-pytriton/models"
        (repository / "gan/1").mkdir(parents=True, exist_ok=True)
        library = sysconfig.get_path("stdlib")
        paths = [str(ROOT), str(packages), library, f"{library}/lib-dynload"]
        source = (ROOT / "benchmarks/peers/gan/triton.py").read_text()
        (repository / "gan/1/model.py").write_text(f"import sys\n\nsys.path[:0] = {paths}\n\n{source}")
        configuration = _TRITON_MODEL % (os.cpu_count() or 1, self.generator)
        (repository / "gan/config.pbtxt").write_text(configuration)
        return repository

    def _native(self) -> Contender:
        folder = self.folder / "native"
        once(folder, f"{hashlib.sha256(_NATIVE.read_bytes()).hexdigest()} {_RUNTIME}", _compile)
        rest = (str(self.generator), str(os.cpu_count() or 1))
        return _contender(NATIVE, TANDEM, lambda port: [str(folder / "server"), str(port), *rest])


def _compile(folder: Path) -> None:
    """Compile the C++ reference into `folder`, with Debian's headers of ONNX Runtime; the library is the wheel's."""
    log = folder / "log"
    library = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"), None)
    if library is None:
        raise CannotSetUp(f"onnxruntime {_RUNTIME} has brought no shared library")
    (folder / "libonnxruntime.so.1").symlink_to(library)  # by this name the server looks for it
    unpack_debian_package("libonnxruntime-dev", folder / "debian", log)
    packages = (ROOT / "protos/tandem" / name for name in ("common", "gan"))
    protos = [str(file.relative_to(ROOT / "protos")) for package in packages for file in package.rglob("*.proto")]
    plugin = shutil.which("grpc_cpp_plugin") or "grpc_cpp_plugin"
    outputs = (f"--cpp_out={folder}", f"--grpc_out={folder}", f"--plugin=protoc-gen-grpc={plugin}")
    run(["protoc", f"-I{ROOT / 'protos'}", *outputs, *protos], log)
    includes = (f"-I{folder}", f"-I{folder / 'debian/usr/include/onnxruntime'}")
    sources = map(str, (_NATIVE, *folder.rglob("*.cc")))
    flags = ("-std=c++20", "-O2", f"-Wl,-rpath,{folder}", *includes, "-o", str(folder / "server"))
    run(["g++", *flags, *sources, library, *_NATIVE_LIBRARIES], log)


def _module(name: str, dialect: Dialect, python: Path, module: str, generator: Path, *flags: str) -> Contender:
    """Return a peer that a module of `benchmarks.peers.gan` serves."""
    command = (str(python), "-m", f"benchmarks.peers.gan.{module}", "--generator", str(generator), *flags)
    return _contender(name, dialect, lambda port: [*command, "--port", str(port)])


def _contender(name: str, dialect: Dialect, command: Callable[[int], Sequence[str]]) -> Contender:
    """Return a peer that `command` serves on a port; it is ready when it answers."""

    @contextmanager
    def start() -> Iterator[Service]:
        port = free_port()
        with running(command(port), partial(_answers, dialect, port)) as process:
            yield Service(port, (process.pid,))

    return Contender(name, dialect, start)


def _answers(dialect: Dialect, port: int) -> bool:
    with suppress(grpc.RpcError, OSError):  # it does not listen yet
        return bool(dialect.ask(port, dialect.seeded(1, 0), timeout=1.0))
    return False
