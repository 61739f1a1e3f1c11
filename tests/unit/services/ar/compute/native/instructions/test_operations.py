"""The kernel's parts as programs: operations give the bits of plain C++, and nothing is undefined or a race."""

import platform
import shutil

import pytest

from services.ar.compute.native.build import GENERIC, levels_of
from tests.kernels import USABLE_LEVELS
from tests.unit.services.ar.compute.native.instructions.programs import here, operations_of_plain_cpp, printed, program

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


@pytest.mark.parametrize("level", [level for level in levels() if level != GENERIC])
def test_each_operation_gives_the_bits_of_plain_cpp(tmp_path, level):
    expected = list(operations_of_plain_cpp())
    found = printed([str(program(tmp_path, "operations", here(), flags_of(level)))])
    assert (found.pop(), expected.pop()) == (level, GENERIC)
    assert len(expected) > 1000
    assert not [line for line in expected if "wrong" in line]
    assert found == expected


@pytest.mark.parametrize("processor", [(), ("-march=native",)], ids=["any", "this"])
def test_extreme_numbers_are_told_and_nothing_is_undefined(tmp_path, processor):
    # Without optimisation no check is optimised away, and the compiler takes a third of the time.
    flags = (*processor, "-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all")
    assert printed([str(program(tmp_path, "extreme_numbers", here(), flags, "-O0"))])


def test_loops_are_shared_without_a_race_and_each_place_is_done_once(tmp_path):
    # Without a fixed layout of addresses, old sanitisers do not start on new kernels.
    command = [*(("setarch", "-R") if shutil.which("setarch") else ())]
    printed([*command, str(program(tmp_path, "team", here(), ("-g1", "-fsanitize=thread")))])
