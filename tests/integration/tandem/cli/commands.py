"""Runs the `tandem` command as a person does: a process of its own, its output piped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT_SECONDS = 240  # a guard against hanging: the longest takes 40 s where it has the machine for itself


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@contextlib.asynccontextmanager
async def started(
    *command: str, folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process with pipes; it is killed at the end if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TANDEM_", "FORCE_"))}
    environment |= {"COLUMNS": "100", "PYTHONPATH": os.getcwd(), **(variables or {})}
    pipe = asyncio.subprocess.PIPE
    # Tests that a shell runs in the background ignore Ctrl-C, and so would what they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=folder
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(
    *command: str, stdin: str = "", folder: Path | None = None, variables: Mapping[str, str] | None = None
) -> Ended:
    async with asyncio.timeout(LIMIT_SECONDS), started(*command, folder=folder, variables=variables) as process:
        out, err = await process.communicate(stdin.encode())
        return Ended(process.returncode or 0, out.decode(), err.decode())


# Writes how each of the commands ended whose words it reads.
SEVERAL = """
import json, sys
from typer.testing import CliRunner
from tandem.cli.main import app

each = [CliRunner().invoke(app, words, prog_name="tandem", catch_exceptions=False) for words in json.load(sys.stdin)]
print(json.dumps([(ended.exit_code, ended.stdout, ended.stderr) for ended in each]))
"""


async def run_each(*commands: Sequence[str], folder: Path | None = None) -> list[Ended]:
    """Run `tandem` with these words, one after another in a single process: a start takes longer than a refusal."""
    ended = await run(sys.executable, "-c", SEVERAL, stdin=json.dumps(commands), folder=folder)
    assert ended.code == 0, ended.err
    return [Ended(*end) for end in json.loads(ended.out)]


def tandem(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "tandem.cli", *words)


def assert_all_went_well(ended: Ended, document: dict[str, Any]) -> None:
    """Whether the generator was good enough is the machine's affair; if it was not, that must be said."""
    assert document["problems"] == [], document["problems"]
    assert ended.code == (1 if document["audits"]["invalid"] else 0), ended.err


def without_control_characters(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)
