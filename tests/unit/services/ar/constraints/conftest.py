from collections.abc import Iterator

import pytest

from services.ar.constraints.compiler import Compiler
from tests.unit.services.ar.constraints.texts import tiny_compiler


@pytest.fixture(scope="module")
def compiler() -> Iterator[Compiler]:
    compiler = tiny_compiler()
    yield compiler
    compiler.close()
