"""The operations of this processor's instruction sets give the bits of plain C++."""

import platform

import pytest

from services.ar.compute.native.build import GENERIC, levels_of
from tests.kernels import USABLE_LEVELS
from tests.unit.services.ar.compute.native.instructions.programs import here, printed, program

AVX_VNNI = "avx-vnni"
OF_AVX512 = ("-D__AVXVNNI__", "-mavx512vl", "-mavx512vnni")  # the same instructions as AVX-512 encodes them


def flags_of(level: str) -> tuple[str, ...]:
    """Return flags with which this processor can run what is compiled for the level."""
    flags = levels_of(platform.machine())[level].flags
    return flags if level in USABLE_LEVELS else tuple(flag for flag in flags if flag != "-mavxvnni") + OF_AVX512


def levels() -> list[str]:
    """Return those that this processor can run."""
    stands_in = "avx512-vnni" in USABLE_LEVELS
    return list(dict.fromkeys([*USABLE_LEVELS, *[AVX_VNNI] * stands_in]))


@pytest.mark.parametrize("level", [each for each in levels() if each != GENERIC])
def test_each_operation_gives_the_bits_of_plain_cpp(tmp_path, level):
    expected = printed([str(program(tmp_path, "operations", here()))])
    (tmp_path / level).mkdir()
    found = printed([str(program(tmp_path / level, "operations", here(), flags_of(level)))])
    assert (found.pop(), expected.pop()) == (level, GENERIC)
    assert len(expected) > 1000
    assert not [line for line in expected if "wrong" in line]
    assert found == expected
