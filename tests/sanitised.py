"""Compiled libraries as programs under sanitisers, with a minimal Python's part in C++; made once, as it takes long."""

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.compiler import CompilerFailed, find_compiler
from tandem.shared.compiled.recipe import Recipe, hold_lock

SANITISERS = {"address": "-fsanitize=address,undefined", "thread": "-fsanitize=thread"}
FLAGS = ("-std=c++20", "-O1", "-g1", "-pthread", "-fno-sanitize-recover=all")


def compile_sanitised(recipe: Recipe, main: Path, sanitiser: str) -> Path:
    """Return the program that `main` and the sources of the recipe make; skip the test without a compiler."""
    folder = cache_folder() / "sanitised"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(recipe.stem().encode() + main.read_bytes()).hexdigest()[:16]
    program = folder / f"{main.stem}-{sanitiser}-{digest}"
    with hold_lock(folder / f"{main.stem}-{sanitiser}.lock"):  # of the test processes one makes it
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                made = Path(scratch) / "made"
                try:
                    recipe.compile(find_compiler(), (*FLAGS, SANITISERS[sanitiser]), made, more=[main])
                except CompilerFailed as error:
                    if "on Debian" in str(error):
                        pytest.skip(str(error))
                    raise
                os.replace(made, program)
    return program
