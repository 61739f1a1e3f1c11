"""Tests mirror the packages: a shipped module with logic has its test under its own name, or one that imports it, or a
place in a list.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.contract.source import ROOT, SHIPPED, modules, names_imported
from tests.contract.tested_elsewhere import NOT_TESTED, TESTED_ELSEWHERE

KINDS = ("unit", "integration")
LOGIC = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.With, ast.AsyncWith, ast.Raise)
LOGIC += (ast.comprehension, ast.BoolOp, ast.BinOp)


def has_logic(path: str) -> bool:
    """Return whether a function of the module decides, repeats or computes something."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = (node for node in ast.walk(modules()[path]) if isinstance(node, functions))
    return any(isinstance(inner, LOGIC) for node in found for inner in ast.walk(node))


def has_own_test(path: str) -> bool:
    room, name = Path(path).parent, f"test_{Path(path).name}"
    return any((ROOT / "tests" / kind / room / name).exists() for kind in KINDS)


@cache
def imported_by_tests() -> frozenset[str]:
    """Return the dotted names that tests and what supports them import; those of the contract run nothing."""
    files = (path for path in (ROOT / "tests").rglob("*.py") if "contract" not in path.parts)
    return frozenset().union(*(names_imported(ast.parse(path.read_text())) for path in files))


@cache
def without_own_test() -> frozenset[str]:
    shipped = (path for path in modules() if path.split("/")[0] in SHIPPED and not path.endswith("__init__.py"))
    imported = imported_by_tests()
    untested = (path for path in shipped if path.removesuffix(".py").replace("/", ".") not in imported)
    return frozenset(path for path in untested if has_logic(path) and not has_own_test(path))


def listed(entry: str) -> set[str]:
    """Return the modules that an entry of the list stands for: one, or those of a room without tests of their own."""
    if entry.endswith("/"):
        return {path for path in without_own_test() if path.startswith(entry)}
    return {f"{entry}.py"}


def test_a_module_with_logic_has_its_test_or_is_listed():
    excused = set().union(*(listed(entry) for entries in TESTED_ELSEWHERE.values() for entry in entries))
    assert sorted(without_own_test() - excused) == [f"{entry}.py" for entry in NOT_TESTED]


@pytest.mark.parametrize("test", TESTED_ELSEWHERE)
def test_the_list_is_true(test):
    assert (ROOT / "tests" / test).exists(), "the test that the list names"
    for entry in TESTED_ELSEWHERE[test]:
        assert listed(entry), f"{entry}: no module of it lacks a test of its own"
        assert listed(entry) <= without_own_test(), f"{entry}: gone, or has a test of its own"


@pytest.mark.parametrize("kind", KINDS)
def test_tests_stand_in_the_rooms_of_what_they_test(kind):
    folders = {path.parent.relative_to(ROOT / "tests" / kind) for path in (ROOT / "tests" / kind).rglob("test_*.py")}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder).is_dir()] == []
