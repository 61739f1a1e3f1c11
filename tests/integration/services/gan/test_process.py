"""`python -m services.gan` as a process: from start to exit code."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import grpc
import onnx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.harness.processes import free_port
from services.common.runtimes.onnx_session import num_cuda_devices
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tandem.shared.cache_folder import cache_folder
from tests.integration.services.gan.tiny_onnx import write_model_toml
from tests.unit.services.common.runtimes import graphs
from tests.unit.services.common.runtimes.graphs import generator_model

SERVING = health_pb2.HealthCheckResponse.SERVING


@contextlib.asynccontextmanager
async def process(
    models_dir: Path, *flags: str, port: int | None = None, module: str = "services.gan", cache: Path | None = None
):
    """Yield (process, port); what it writes is kept."""
    port = port or free_port()
    # Run in a folder of its own, so that no tandem.toml or model of the checkout has a part in it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    environment["PYTHONPATH"] = os.getcwd()
    environment["TANDEM_CACHE"] = str(_with_libraries(cache or models_dir / "cache"))
    command = [sys.executable, "-m", module, "--models-dir", str(models_dir), "--port", str(port)]
    running = await asyncio.create_subprocess_exec(
        *command,
        *("--metrics-port", str(free_port()), *flags),
        cwd=models_dir,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running, port
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


def _with_libraries(cache: Path) -> Path:
    """Make a cache without calibrations, but with this machine's compiled libraries: those take ten seconds to make."""
    libraries = cache_folder() / "kernels"
    for folder in (libraries, cache):
        folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (cache / "kernels").symlink_to(libraries)
    return cache


async def ending(running) -> tuple[int, str]:
    async with asyncio.timeout(60):
        _, errors = await running.communicate()
    return running.returncode, errors.decode()


async def ready(channel: grpc.aio.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    async with asyncio.timeout(60):
        async for change in health.Watch(request, wait_for_ready=True):
            if change.status == SERVING:
                return


async def test_serves_and_ends_with_0_at_a_signal(models_dir):
    async with process(models_dir, "--models", "tiny", "--drain-seconds", "30") as (running, port):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await ready(channel)
            stub = gan_pb2_grpc.GanServiceStub(channel)
            drawn = await stub.Sample(gan_pb2.SampleRequest(count=3, seed=1))
            assert len(drawn.images.data) == 48
            models = (await stub.ListModels(gan_pb2.ListModelsRequest())).models
            assert models[0].providers[-1] == "CPUExecutionProvider"
            sample = gan_pb2.SampleRequest(count=20_000, seed=1)
            messages = aiter(stub.SampleStream(gan_pb2.SampleStreamRequest(sample=sample)))
            counts = [(await anext(messages)).part.images.shape[0]]
            running.send_signal(signal.SIGTERM)
            counts += [message.part.images.shape[0] async for message in messages]
        code, errors = await ending(running)
    assert sum(counts) == 20_000, "an open stream is drained before the end"
    assert code == 0, errors
    assert "EP Error" not in errors
    assert "onnxruntime:" not in errors


@pytest.fixture
def generator_dir(tmp_path):
    """A repository with a generator that has much to calibrate."""
    folder = tmp_path / "models" / "made"
    folder.mkdir(parents=True)
    onnx.save(generator_model(width=128, has_last_convolution=True), folder / "generator.onnx")
    write_model_toml(folder, (16, 16, 1), classes=False, latent_dim=graphs.LATENT_DIM)
    return folder.parent


async def lines_until(running, words: str) -> str:
    """Return what a process writes to its log up to the line with the words."""
    read = b""
    async with asyncio.timeout(60):
        while words.encode() not in read:
            line = await running.stderr.readline()
            assert line, f"ended without {words!r}: {read.decode()}"
            read += line
    return read.decode()


async def test_a_signal_while_it_calibrates_ends_it_with_0(generator_dir, tmp_path):
    async with process(generator_dir, "--models", "made", "--drain-seconds", "3600", cache=tmp_path) as (running, port):
        before = await lines_until(running, "calibrating")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING
        running.send_signal(signal.SIGTERM)
        code, errors = await ending(running)
    assert code == 0, before + errors
    assert "calibrated" not in errors, "it was over before the signal"
    assert "stopping before everything was loaded" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("calibrations/*"))


async def test_the_second_start_finds_the_calibration_of_the_first(models_dir, tmp_path):
    # Nothing is left to be timed: what others disturbed while it was, an idle machine would calibrate again.
    flags = ("--models", "tiny", "--runtime", "onnxruntime", "--precision", "float32", "--num-instances", "2")
    drawn = []
    for words in ("calibrated", "loaded tiny"):
        async with process(models_dir, *flags, cache=tmp_path) as (running, port):
            log = await lines_until(running, words)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                await ready(channel)
                stub = gan_pb2_grpc.GanServiceStub(channel)
                drawn.append(await stub.Sample(gan_pb2.SampleRequest(count=5, seed=1)))
            running.send_signal(signal.SIGTERM)
            code, errors = await ending(running)
            assert code == 0, errors
    assert "calibrating" not in log
    assert drawn[0].fingerprint == drawn[1].fingerprint
    assert drawn[0].images == drawn[1].images


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--runtime", "onnxruntime", "--precision", "bfloat16"), "precision 'bfloat16': not to be had here"),
        pytest.param(
            ("--provider", "cuda"), "'cuda'", marks=pytest.mark.skipif(num_cuda_devices() > 0, reason="a CUDA device")
        ),
    ],
)
async def test_what_is_asked_for_and_not_to_be_had_is_one_clear_line(models_dir, flags, words):
    async with process(models_dir, "--models", "tiny", *flags) as (running, _):
        code, errors = await ending(running)
    assert code == 1
    assert words in errors
    assert "Traceback" not in errors
