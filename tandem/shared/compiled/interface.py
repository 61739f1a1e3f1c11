"""What crosses between Python and a compiled library, described once, in Python; C++ includes it as a header.

The header is written where the library is compiled, and counts for the library's name as its sources do, so neither
side can have another version. The compiler refuses a function that is defined otherwise. Knows no library; needs only
the standard library.
"""

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import Structure
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

_TYPES: dict[Any, str] = {
    None: "void",
    ctypes.c_uint8: "uint8_t",
    ctypes.c_uint16: "uint16_t",
    ctypes.c_int32: "int32_t",
    ctypes.c_uint32: "uint32_t",
    ctypes.c_int64: "int64_t",
    ctypes.c_uint64: "uint64_t",
    ctypes.c_float: "float",
    ctypes.c_double: "double",
    ctypes.c_char_p: "const char*",
    ctypes.c_void_p: "void*",
}

HEADER = "interface.h"
"""Under this name the sources of a library include it."""


def typed(kind: type[Any], name: str) -> type[Any]:
    """Return `kind`, an address or a number, for a field that C++ has with the type `name`."""
    return type(kind.__name__, (kind,), {"type_in_cpp": name})


@dataclass(frozen=True)
class Interface:
    """Structures, numbers and functions of one library.

    `prefix` is that of all functions: `functions` has their names without it, and the types of the result and of the
    arguments. `live`: structures whose fields one side reads while the other writes. `numbers`: classes whose
    attributes in capitals are the members of an enumeration. `constants`: single numbers.
    """

    prefix: str
    functions: Mapping[str, tuple[Any, ...]]
    structures: Sequence[type[Structure]] = ()
    live: Sequence[type[Structure]] = ()
    numbers: Mapping[type, str] = field(default_factory=dict)  # with the type of each in C++
    constants: Mapping[str, int] = field(default_factory=dict)

    def header(self) -> str:
        """Return the C++ that says the same."""
        parts = [
            "#pragma once\n\n#include <stdint.h>\n\n#include <atomic>\n",
            *(f"constexpr int64_t {name} = {value};" for name, value in self.constants.items()),
            *(_enumeration(kind, underlying) for kind, underlying in self.numbers.items()),
            *(_structure(kind, kind in self.live) for kind in (*self.structures, *self.live)),
            'extern "C" {',
            *(_prototype(self.prefix + name, *types) for name, types in self.functions.items()),
            "}",
        ]
        return "\n".join(parts) + "\n"

    def bind(self, library: ctypes.CDLL) -> tuple[SimpleNamespace, SimpleNamespace]:
        """Return the functions of a library twice: as they keep Python's lock, and as they let go of it.

        Those that take microseconds should keep it, because taking it back costs more.
        """
        return self._typed(ctypes.PyDLL(library._name, handle=library._handle)), self._typed(library)

    def _typed(self, library: ctypes.CDLL) -> SimpleNamespace:
        functions = {}
        for name, (result, *arguments) in self.functions.items():
            functions[name] = library[self.prefix + name]
            functions[name].restype, functions[name].argtypes = result, arguments
        return SimpleNamespace(**functions)


def _enumeration(kind: type, underlying: str) -> str:
    members = ", ".join(f"{name.lower()} = {int(getattr(kind, name))}" for name in vars(kind) if name.isupper())
    return f"enum class {kind.__name__} : {underlying} {{ {members} }};"


def _structure(kind: type[Structure], is_live: bool) -> str:
    fields: Any = kind._fields_
    form = "    std::atomic<{}> {}{{}};" if is_live else "    {} {}{{}};"
    lines = (form.format(*_member(type_, name)) for name, type_ in fields)
    size = f"static_assert(sizeof({kind.__name__}) == {ctypes.sizeof(kind)});"
    return "\n".join((f"struct {kind.__name__} {{", *lines, "};", size))


def _member(kind: Any, name: str) -> tuple[str, str]:
    is_array = issubclass(kind, ctypes.Array)
    return (_type(kind._type_), f"{name}[{kind._length_}]") if is_array else (_type(kind), name)


def _prototype(name: str, result: Any, *arguments: Any) -> str:
    return f"{_type(result)} {name}({', '.join(map(_type, arguments))});"


def _type(kind: Any) -> str:
    if kind in _TYPES:
        return _TYPES[kind]
    if hasattr(kind, "type_in_cpp"):
        return str(kind.type_in_cpp)
    if issubclass(kind, Structure):
        return str(kind.__name__)
    pointed = kind._type_
    return f"const {pointed.__name__}*" if issubclass(pointed, Structure) else f"{_TYPES[pointed]}*"
