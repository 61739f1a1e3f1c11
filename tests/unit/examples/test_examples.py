"""The examples are short, import nothing but the client, and load without a server."""

import ast
import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.py"))


def test_there_are_two() -> None:
    assert [path.name for path in EXAMPLES] == ["sample_images.py", "stream_text.py"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_short_and_loads(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 30
    assert callable(runpy.run_path(str(path))["main"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_imports_only_the_client(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"tandem.client"}
