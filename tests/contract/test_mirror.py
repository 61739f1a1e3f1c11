"""Tests mirror the packages: a shipped module with logic is tested under its own name, or by a test that imports it or
leads to it through modules of the same package.
"""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.contract.source import ROOT, SHIPPED, imported, modules, names_imported

KINDS = ("unit", "integration")
LOGIC = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Raise)
LOGIC += (ast.comprehension, ast.BoolOp, ast.BinOp)
RUN_ONLY = {
    *("gateway/__main__.py", "runtime/process/tethered.py"),
    *(f"tandem/cli/{name}.py" for name in ("servers/settings", "use/sample", "use/score")),
}
"""Processes and commands, which tests run."""


def has_logic(path: str) -> bool:
    """Return whether a function of the module decides, repeats or computes something."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = (node for node in ast.walk(modules()[path]) if isinstance(node, functions))
    return any(isinstance(inner, LOGIC) for node in found for inner in ast.walk(node))


def has_own_test(path: str) -> bool:
    room, name = Path(path).parent, f"test_{Path(path).name}"
    return any((ROOT / "tests" / kind / room / name).exists() for kind in KINDS)


def find_tested() -> set[str]:
    """Return the modules that tests have or import, those of the contract apart, and what these lead to at home."""
    files = (path for path in (ROOT / "tests").rglob("*.py") if "contract" not in path.parts)
    names = frozenset().union(*(names_imported(ast.parse(path.read_text())) for path in files))
    waiting = [path for path in modules() if has_own_test(path)] + list(files_of(names))
    found = set(waiting)
    while waiting:
        path = waiting.pop()
        near = files_of({name for name in imported(path) if name.split(".")[0] == path.split("/")[0]}) - found
        waiting += near
        found |= near
    return found


def files_of(names: Iterable[str]) -> set[str]:
    paths = {f"{name.replace('.', '/')}{ending}" for name in names for ending in (".py", "/__init__.py")}
    return paths & modules().keys()


def test_a_module_with_logic_is_tested():
    shipped = {path for path in modules() if path.split("/")[0] in SHIPPED and not path.endswith("__init__.py")}
    assert {path for path in shipped - find_tested() if has_logic(path)} == RUN_ONLY


@pytest.mark.parametrize("kind", KINDS)
def test_tests_stand_in_the_rooms_of_what_they_test(kind):
    folders = {path.parent.relative_to(ROOT / "tests" / kind) for path in (ROOT / "tests" / kind).rglob("test_*.py")}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []
