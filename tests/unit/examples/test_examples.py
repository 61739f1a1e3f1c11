"""The examples are short, import nothing but the client, and load without a server."""

import ast
import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_loads_and_imports_only_the_client(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    modules = {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)}
    assert (len(text.splitlines()) < 30, modules) == (True, {"tandem.client"})
    assert callable(runpy.run_path(str(path))["main"])
