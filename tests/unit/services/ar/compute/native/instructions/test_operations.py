"""The operations of this processor's instruction sets give the bits of plain C++."""

import platform

import pytest

from services.ar.compute.native.build import GENERIC, LEVELS, best_level, levels_of
from tests.unit.services.ar.compute.native.instructions.programs import here, printed, program

OF_THIS_PROCESSOR = LEVELS[LEVELS.index(best_level()) :]  # the better ones come first


@pytest.mark.parametrize("level", [each for each in OF_THIS_PROCESSOR if each != GENERIC])
def test_each_operation_gives_the_bits_of_plain_cpp(tmp_path, level):
    expected = printed([str(program(tmp_path, "operations", here()))])
    (tmp_path / level).mkdir()
    found = printed([str(program(tmp_path / level, "operations", here(), levels_of(platform.machine())[level].flags))])
    assert (found.pop(), expected.pop()) == (level, GENERIC)
    assert len(expected) > 1000
    assert not [line for line in expected if "wrong" in line]
    assert found == expected
