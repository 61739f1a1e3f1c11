"""The backend without a model: compiled once for this machine, and told which ready-made answers to give."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from runtime.http2.build import http2_recipe
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2, served_pb2
from tandem.common.v1.timings_pb2 import Timings
from tandem.gan.v1 import gan_pb2
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.library import distrust
from tandem.shared.compiled.recipe import LibraryUnavailable

SAMPLE = "/tandem.gan.v1.GanService/Sample"
GENERATE = "/tandem.ar.v1.AutoregressiveService/Generate"
GAN_MODEL, AR_MODEL, TEXT_MODEL = "fashion-gan", "fashion-ar", "smollm2-135m-instruct"

_TIMINGS = Timings(queue_seconds=1e-6, total_seconds=2e-6, mean_batch_size=1)


def program() -> Path:
    """Return the path of the program, compiled if it is not in the user's cache yet. Raises LibraryUnavailable."""
    folder, served = cache_folder() / "hop", http2_recipe()
    if (reason := distrust(folder)) is not None:
        raise LibraryUnavailable(f"no program is run from {folder}: {reason}")
    own = Path(__file__).parent / "native" / "backend.cpp"
    recipe = replace(
        served,
        what="the backend without a model",
        name="backend",
        units=(*served.units, str(own)),
        flags=("-std=c++20", "-O2", "-pthread"),
    )
    path = recipe.find_or_compile(folder)
    path.chmod(0o755)  # as a library it needs no right to run
    return path


@contextlib.contextmanager
def model_less(tokens: int, tokens_per_second: float) -> Iterator[int]:
    """Run it; yield its port. It answers with one image, or with `tokens` tokens at that pace. Raises
    LibraryUnavailable.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".plan") as file:
        file.write(_plan(tokens, tokens_per_second))
        file.flush()
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            listener.setblocking(False)
            command = [str(program()), file.name, str(listener.fileno())]
            # It ends with its standard input, so it cannot outlive this process.
            with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()]) as process:
                assert process.stdin is not None
                try:
                    yield listener.getsockname()[1]
                finally:
                    process.stdin.close()


def _plan(tokens: int, tokens_per_second: float) -> str:
    """Return the answers of both paradigms, a line each."""
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    pixels = images_pb2.ImageBatch(shape=[1, 28, 28, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=bytes(784))
    image = gan_pb2.SampleResponse(images=pixels, labels=[0], seed=1, timings=_TIMINGS)
    token = ar_pb2.GenerateResponse(token_ids=[1], text_delta="word ")
    ar_models = ar_pb2.ListModelsResponse(models=[ar_pb2.Model(name=AR_MODEL, modality="image")])
    gan_models = gan_pb2.ListModelsResponse(models=[gan_pb2.Model(name=GAN_MODEL)])
    lines = (
        _line("/grpc.health.v1.Health/Check", serving),
        _line("/grpc.health.v1.Health/Watch", serving, 1_000_000, 0.2),
        _line("/tandem.ar.v1.AutoregressiveService/ListModels", ar_models),
        _line("/tandem.gan.v1.GanService/ListModels", gan_models),
        _line(SAMPLE, image, model=GAN_MODEL),
        _line(GENERATE, token, tokens, tokens_per_second, AR_MODEL),
    )
    return "\n".join(lines)


def _line(path: str, message: Message, count: int = 1, per_second: float = 0.0, model: str = "") -> str:
    """Return an answer of `count` messages; one with outputs of a `model` says in its trailer what was served."""
    served = served_pb2.Served(
        model=model, outputs=count, first_outputs=1, timings=_TIMINGS, backend_seconds=_TIMINGS.total_seconds
    )
    trailer = base64.b64encode(served.SerializeToString()).decode().rstrip("=") if model else "-"
    return f"{path} {trailer} {count} {per_second:g} {message.SerializeToString().hex() or '-'}"
