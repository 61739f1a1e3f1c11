"""The kernel for ARM, compiled by a cross compiler and run by an emulator, has the bits of plain C++ on this machine.

Its operations are compared with plain C++ itself; whole steps, as plain C++ takes the compiler a minute, with this
processor's kernel, which `test_forward` compares with plain C++.
"""

import re
from pathlib import Path

import pytest

from services.ar.compute.native.build import GENERIC, kernel_recipe, levels_of, usable_levels
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled import recipe
from tests.unit.services.ar.compute.native.instructions.programs import (
    here,
    operations_of_plain_cpp,
    printed,
    program,
    tool,
)

ARM, LEVEL = "aarch64", "neon-dotprod"
SYSTEM_ROOT = Path("/usr/aarch64-linux-gnu")  # where Debian has ARM's libraries
ROWS, FORMATS, WIDTHS = 2, 5, 2  # of a tile at most, of quantised weights, of activations
PRODUCTS = 32  # instructions for 32 inputs of one row and 16 outputs, 16 products each


def cross() -> str:
    return tool(f"{ARM}-linux-gnu-g++")


def emulated(*command: Path) -> list[str]:
    return [tool(f"qemu-{ARM}-static", f"qemu-{ARM}"), "-L", str(SYSTEM_ROOT), *map(str, command)]


@pytest.fixture
def arm_kernel(monkeypatch) -> Path:
    """What a server on ARM would compile; kept like other kernels, as it takes 20 s."""
    compiler = cross()
    monkeypatch.setattr(recipe, "find_compiler", lambda: compiler)
    return kernel_recipe(LEVEL, ARM).find_or_compile(cache_folder() / "kernels")


def test_each_operation_gives_the_bits_of_plain_cpp(tmp_path):
    arm = program(tmp_path, "operations", cross(), levels_of(ARM)[LEVEL].flags)
    found, expected = printed(emulated(arm)), list(operations_of_plain_cpp())
    assert (found.pop(), expected.pop()) == (LEVEL, GENERIC)
    assert len(expected) > 1000
    assert found == expected


def test_products_with_quantised_weights_are_byte_products(arm_kernel):
    """In line: a tile that calls what adds to its sums has none, and finds the sums in memory."""
    listing = printed([tool(f"{ARM}-linux-gnu-objdump"), "-dC", "--no-show-raw-insn", str(arm_kernel)])
    tiles: dict[tuple[str, ...], int] = {}
    tile = None
    for line in listing:
        if line.endswith(">:"):
            name = re.search(r"quantised_tile<(\d), \(Format\)(\d), (true|false)>", line)
            tile = name.groups() if name and "@plt" not in line else None
        elif tile:
            tiles[tile] = tiles.get(tile, 0) + ("\tsdot\t" in line)
    expected = {tile: int(tile[0]) * PRODUCTS * (2 if tile[2] == "true" else 1) for tile in tiles}
    assert tiles == expected
    assert len(tiles) == ROWS * FORMATS * WIDTHS


def test_steps_and_samples_have_the_bits_of_this_processor_s_kernel(tmp_path, arm_kernel):
    arm = program(tmp_path, "model_steps", cross(), levels_of(ARM)[LEVEL].flags)
    found = printed(emulated(arm, arm_kernel))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "find_compiler", here)
        own = kernel_recipe().find_or_compile(cache_folder() / "kernels")
    expected = printed([str(program(tmp_path, "model_steps", here())), str(own)])
    assert (found.pop(), expected.pop()) == (LEVEL, usable_levels()[0])
    assert len(expected) > 500
    assert found == expected
