"""The project's modules as text: what each imports, directly or through others. Nothing is run."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHIPPED = ("tandem", "runtime", "services", "gateway", "training")
PACKAGES = (*SHIPPED, "benchmarks", "deploy", "examples")


@cache
def modules() -> dict[str, ast.Module]:
    """Return path -> syntax tree of every module but the generated stubs."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "_pb2" not in path.name
    }


@cache
def imported(path: str) -> frozenset[str]:
    """Return the dotted names that a module imports anywhere, in functions and for types as well."""
    return names_imported(modules()[path])


def names_imported(module: ast.Module) -> frozenset[str]:
    names = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def reached(start: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name it imports) for a module and all modules of ours that it leads to."""
    waiting, seen = [start], {start}
    while waiting:
        path = waiting.pop()
        for name in imported(path):
            yield path, name
            file = f"{name.replace('.', '/')}.py"
            if file in modules() and file not in seen:
                seen.add(file)
                waiting.append(file)
