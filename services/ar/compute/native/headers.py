"""The structs and constants of the kernel's C++ headers, which describe them for both sides: ctypes reads them here."""

import ctypes
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_HEADERS = ("vectors.h", "products/matrix.h", "products/panels.h", "model.h", "sampling/row.h", "sampling/sampler.h")
"""Those before others that have structs of theirs as fields."""
_NUMBERS: dict[str, Any] = {
    "int32_t": ctypes.c_int32,
    "uint64_t": ctypes.c_uint64,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
}
_CONSTANT = re.compile(r"^constexpr int (\w+) = (\d+);", re.MULTILINE)
_ENUM = re.compile(r"^enum (\w+) : int32_t \{(.*?)\};", re.MULTILINE | re.DOTALL)
_STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (?:const )?(\w+)(\*?) (\w+)(?:\[(\w+)\])?;", re.MULTILINE)


def _read(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield each constant, enumerator and struct with its name; a struct of a pointer has an address there."""
    types = dict(_NUMBERS)
    constants: dict[str, int] = {}
    for header in _HEADERS:
        text = (folder / header).read_text()
        constants.update((name, int(value)) for name, value in _CONSTANT.findall(text))
        for enum, names in _ENUM.findall(text):
            types[enum] = ctypes.c_int32
            constants.update((name.strip(), number) for number, name in enumerate(names.split(",")))
        for struct, body in _STRUCT.findall(text):
            fields = [_field(types, constants, *field) for field in _FIELD.findall(body)]
            if all(type_ is not None for _, type_ in fields):
                types[struct] = type(struct, (ctypes.Structure,), {"_fields_": fields})
                yield struct, types[struct]
    yield from constants.items()


def _field(types: dict[str, Any], constants: dict[str, int], type_: str, pointer: str, name: str, length: str) -> Any:
    if pointer:
        return name, ctypes.c_void_p
    found = types.get(type_)
    return name, found * constants[length] if length and found is not None else found


headers: Any = SimpleNamespace(**dict(_read(Path(__file__).parent)))
"""`headers.Matrix` is products/matrix.h's struct, `headers.kLanes` its constant, and so on."""

LANES: int = headers.kLanes
"""Of a vector: outputs of a panel of weights, positions of a block's keys."""
