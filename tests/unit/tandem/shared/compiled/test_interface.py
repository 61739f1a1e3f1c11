"""One description for both sides: structures lie as Python has them, and functions are what it takes them for."""

import ctypes
from ctypes import POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_uint8
from pathlib import Path

import pytest

from tandem.shared.compiled.compiler import CompilerFailed, find_compiler
from tandem.shared.compiled.interface import Interface
from tandem.shared.compiled.recipe import Recipe


class Kind:
    SMALL = 1
    LARGE = 7


class Entry(Structure):
    _fields_ = [("kind", c_uint8), ("count", c_int64), ("share", c_double), ("text", c_char_p)]


class Counts(Structure):
    _fields_ = [("done", c_int64), ("seconds", c_double)]


INTERFACE = Interface(
    "tandem_test_",
    {"sum": (c_int32, POINTER(Entry), POINTER(Counts))},
    structures=(Entry,),
    live=(Counts,),
    numbers={Kind: "uint8_t"},
    constants={"most": 5},
)
SOURCE = """
#include "interface.h"
#include <string.h>
int32_t tandem_test_sum(const Entry* entry, const Counts* counts) {
    const bool is_large = Kind(entry->kind) == Kind::large;
    return is_large * most + int(entry->count + entry->share + strlen(entry->text) + counts->done + counts->seconds);
}
"""
FLAGS = ("-std=c++20", "-shared", "-fPIC")


def compile_source(folder: Path, source: str) -> Path:
    (folder / "unit.cpp").write_text(source)
    recipe = Recipe("the test", "test", folder, ("unit.cpp",), FLAGS, interface=INTERFACE)
    recipe.compile(find_compiler(), FLAGS, folder / "made.so")
    return folder / "made.so"


def test_both_sides_read_the_same(tmp_path: Path) -> None:
    functions = INTERFACE.bind(ctypes.CDLL(str(compile_source(tmp_path, SOURCE))))
    for kind in functions:
        assert kind.sum(Entry(Kind.LARGE, 100, 20.5, b"abc"), Counts(1000, 10000.0)) == 5 + 100 + 20 + 3 + 11000


def test_a_function_that_is_defined_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompilerFailed, match="tandem_test_sum"):
        compile_source(tmp_path, SOURCE.replace("int32_t tandem_test_sum", "int64_t tandem_test_sum"))
