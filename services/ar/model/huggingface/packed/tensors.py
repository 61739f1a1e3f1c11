"""The packed tensors of a checkpoint, put together to the weights that they are of."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from services.ar.model.arrays import Array, Shape
from services.ar.model.fields import shortened
from services.ar.model.huggingface.packed.matrix import OPTIONAL, matrix, shape_of, suffixes
from services.ar.model.huggingface.packed.scheme import Scheme
from services.ar.model.quantised import Weights
from tandem.shared.models import ModelError

_INTEGERS = ("I32", "I64")


def types_of(scheme: Scheme) -> dict[str, tuple[str, ...]]:
    """Return the types that safetensors may give a packed tensor, by the last part of its name; others are floats."""
    steps, _, *zeros = suffixes(scheme)
    return dict.fromkeys((steps, *zeros), ("I32",)) | dict.fromkeys(OPTIONAL, _INTEGERS)


def weight_shapes(folder: Path, shapes: Mapping[str, Shape], scheme: Scheme) -> dict[str, Shape]:
    """Return the shapes of weights [outputs, inputs] instead of those of their packed tensors. Raises ModelError."""
    found: dict[str, Shape] = {}
    modules: dict[str, dict[str, Shape]] = defaultdict(dict)
    for name, shape in shapes.items():
        module, suffix = _parts(name, scheme)
        if module is None:
            found[name] = shape
        else:
            modules[module][suffix] = shape
    for module, parts in modules.items():
        missing = [each for each in suffixes(scheme) if each not in parts]
        if missing:
            raise ModelError(f"{folder}: missing tensors: {', '.join(f'{module}.{each}' for each in missing)}")
        whole = shape_of(parts, scheme)
        if whole is None:
            raise ModelError(
                f"{folder}: {module}: shapes {shortened(parts)} are not those of a matrix packed in {scheme.num_bits}"
                " bits with groups of a multiple of 32 inputs"
            )
        found[f"{module}.weight"] = whole
    return found


def weights(
    tensors: Iterable[tuple[str, Array]], names: Iterable[str], scheme: Scheme
) -> Iterator[tuple[str, Weights]]:
    """Yield the weights, each once all of its tensors have come; `names` are those of all, which were accepted."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names:
        module, suffix = _parts(name, scheme)
        if module is not None:
            wanted[module].add(suffix)
    found: dict[str, dict[str, Array]] = defaultdict(dict)
    for name, tensor in tensors:
        module, suffix = _parts(name, scheme)
        if module is None:
            yield name, tensor
            continue
        found[module][suffix] = tensor
        if found[module].keys() == wanted[module]:
            yield f"{module}.weight", matrix(found.pop(module), scheme)


def _parts(name: str, scheme: Scheme) -> tuple[str | None, str]:
    """Return module and suffix of a packed tensor's name; no module for any other tensor."""
    module, _, suffix = name.rpartition(".")
    return (module, suffix) if suffix in (*suffixes(scheme), *OPTIONAL) else (None, suffix)
