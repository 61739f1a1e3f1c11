"""What an installed package has besides Python: each file that its code reads from beside itself; and its version."""

import tomllib
from pathlib import Path

import pytest

from tests.contract.source import ROOT, SHIPPED

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
CODE = (".py", ".pyc", ".pyi")


def data_files(package: str) -> set[Path]:
    """Return what is no Python."""
    files = (path for path in (ROOT / package).rglob("*") if path.is_file())
    return {path for path in files if path.suffix not in CODE and not path.name.startswith(".")}


@pytest.mark.parametrize("package", SHIPPED)
def test_each_file_beside_the_code_is_installed_with_it(package):
    listed = {
        path for pattern in SETUPTOOLS["package-data"].get(package, ()) for path in (ROOT / package).glob(pattern)
    }
    assert data_files(package) <= listed


@pytest.mark.parametrize("package", SHIPPED)
def test_no_code_asks_an_installed_package_for_its_own_version(package):
    """An image holds the code and what it imports, but not this project as an installed package."""
    asking = [path for path in (ROOT / package).rglob("*.py") if 'version("tandem-serving")' in path.read_text()]
    assert asking == []
