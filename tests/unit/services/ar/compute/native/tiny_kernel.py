"""A library with the kernel's functions that compiles in an instant, and compilers that are scripts."""

import os
from pathlib import Path

import pytest

from services.ar.compute.native import build

NAMES = ("tandem_pack", "tandem_open", "tandem_run", "tandem_sample", "tandem_close")


def write_source(folder: Path, functions: tuple[str, ...] = NAMES) -> Path:
    """Write a step.cpp into a new folder and return the folder."""
    folder.mkdir()
    lines = ['extern "C" const char* tandem_instruction_set() { return "tiny"; }']
    lines += [f'extern "C" void* {name}(void*, void*) {{ return nullptr; }}' for name in functions]
    (folder / "step.cpp").write_text("\n".join(lines))
    return folder


def take_source(monkeypatch: pytest.MonkeyPatch, folder: Path, functions: tuple[str, ...] = NAMES) -> None:
    """Have `build` compile the tiny source instead of the kernel's."""
    monkeypatch.setattr(build, "_SOURCES", write_source(folder, functions))


def write_compiler(folder: Path, *lines: str) -> Path:
    """Write a g++ that is a shell script into a new folder and return the folder, for PATH."""
    folder.mkdir()
    script = folder / "g++"
    script.write_text("\n".join(["#!/bin/sh", *lines]))
    script.chmod(0o755)
    return folder


def take_compiler(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> None:
    """Put a g++ that is a shell script in front of the real one."""
    monkeypatch.setenv("PATH", f"{write_compiler(folder, *lines)}{os.pathsep}{os.environ['PATH']}")
