"""`python -m services.ar` as a process: a stop signal while it loads."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.harness.processes import free_port
from tests.alive_pipe import alive_pipe
from tests.tiny_models import add_to_repository

LIMIT_SECONDS = 120


async def test_a_signal_ends_the_process_while_its_kernel_is_compiled_for_ever(tmp_path):
    add_to_repository(tmp_path)
    compiler = tmp_path / "bin" / "g++"
    compiler.parent.mkdir()
    with alive_pipe(tmp_path) as pipe:
        compiler.write_text(f"#!/bin/sh\n{pipe.shell_words}; sleep 1000000 & wait\n")
        compiler.chmod(0o755)
        async with loading(tmp_path, compiler.parent) as process, asyncio.timeout(LIMIT_SECONDS):
            assert await asyncio.to_thread(pipe.has_writers)
            process.send_signal(signal.SIGTERM)
            _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()
            assert "stopping before everything was loaded" in errors.decode()
            assert "Traceback" not in errors.decode()
            assert not await asyncio.to_thread(pipe.has_writers)  # the compiler and its child have ended


@contextlib.asynccontextmanager
async def loading(models_dir: Path, tools: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the backend with the programs of `tools` in front of all others and without a compiled kernel."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    environment |= {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "TANDEM_CACHE": str(models_dir / "new")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.ar", "--models-dir", str(models_dir), "--models", "tiny", "--device", "cpu"),
        *("--port", str(free_port()), "--metrics-port", str(free_port()), "--drain-seconds", "3600"),
        env=environment,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
