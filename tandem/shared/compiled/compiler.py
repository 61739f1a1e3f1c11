"""The C++ compiler of this machine: found, run for a limited time, its failure put into one line."""

import logging
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tandem.shared.process_group import run_in_group

logger = logging.getLogger(__name__)

COMPILERS = ("g++", "clang++", "c++")
# The largest library takes 10 s on a slow core. A compiler that is still there after this long waits, say for a
# licence server or a network file system, and would hold up the start for ever.
LIMIT_SECONDS = 300.0


class CompilerFailed(Exception):
    """There is no compiler, or it made nothing; the text says why."""


def find_compiler() -> str:
    """Return the path of the first of COMPILERS that is there. Raises CompilerFailed."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise CompilerFailed(f"no C++ compiler ({', '.join(COMPILERS)}); on Debian: apt-get install g++")
    return compiler


def compile_sources(
    compiler: str,
    sources: Sequence[Path],
    flags: Sequence[str],
    libraries: Sequence[str],
    made: Path,
    what: str,
    limit_seconds: float = LIMIT_SECONDS,
) -> None:
    """Compile `sources` into `made`: a shared library or a program, as `flags` say. `what` names it in messages.

    Raises CompilerFailed, OSError.
    """
    logger.info("compiling %s with %s", what, compiler)
    started = time.monotonic()
    try:
        linked = [f"-l{library}" for library in libraries]
        ended = run_in_group([compiler, *flags, "-o", str(made), *map(str, sources), *linked], limit_seconds)
    except subprocess.TimeoutExpired:
        raise CompilerFailed(f"{compiler} was ended: it had not compiled {what} in {limit_seconds:g} s") from None
    if ended.returncode != 0:
        raise CompilerFailed(f"{compiler} does not compile {what}: {_reason(ended)}")
    if not made.is_file():
        raise CompilerFailed(f"{compiler} reports success, but wrote no file")
    logger.info("compiled %s in %.1f s", what, time.monotonic() - started)


def _reason(ended: subprocess.CompletedProcess[str]) -> str:
    code = ended.returncode
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return next((line for line in ended.stderr.splitlines() if "error" in line), how)
