"""The safetensors files of a Hugging Face directory: which they are, and the tensors that their headers describe."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from services.ar.model.arrays import FLOATS
from services.ar.model.fields import read_object, shorten
from services.ar.model.quantised import StoredTensor
from tandem.shared.models import ModelError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TYPES = ("F16", "BF16", "F32", "F64")
_DTYPES = {
    "F16": FLOATS["float16"],
    "BF16": FLOATS["bfloat16"],
    "F32": FLOATS["float32"],
    "F64": FLOATS["float64"],
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
}
_MAX_FILES = 1_024
_MAX_HEADER_BYTES = 16 * 1024 * 1024
_LENGTH_BYTES = 8  # of the header's length, which a file begins with


def weight_files(folder: Path) -> list[Path]:
    """Return the paths of the folder's weights, as its index, if any, names them. Raises ModelError."""
    names = _names(folder / "model.safetensors.index.json")
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return [folder / name for name in names]
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    hint = f"; {', '.join(pickles)} may hold code and is not loaded, convert it to safetensors" if pickles else ""
    raise ModelError(f"{folder}: {', '.join(missing)} is missing{hint}")


def _names(index: Path) -> list[str]:
    files = read_object(index, is_optional=True).get("weight_map", {})
    if not isinstance(files, dict) or not all(isinstance(name, str) for name in files.values()):
        raise ModelError(f"{index}: weight_map is {shorten(files)}; accepted: names of tensors to names of files")
    names = sorted(set(files.values())) or ["model.safetensors"]
    if any(Path(name).name != name for name in names):
        raise ModelError(f"{index}: names a file outside the folder")
    if any(Path(name).suffix != ".safetensors" for name in names) or len(names) > _MAX_FILES:
        raise ModelError(f"{index}: weight_map names other files than at most {_MAX_FILES:,} of .safetensors")
    return names


def stored_tensors(
    files: list[Path], others: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> dict[str, StoredTensor]:
    """Return the tensors by their names; reads headers alone. Raises ModelError.

    Tensors are floats, but for those whose name ends with a key of `others`, which have one of its types.
    """
    tensors: dict[str, StoredTensor] = {}
    for path in files:
        for name, stated, data_start in _header(path):
            if name in tensors:
                raise ModelError(f"{path}: tensor {shorten(name)} is in another file, too")
            types = others.get(name.rpartition(".")[2], _TYPES)
            if stated["dtype"] not in types:
                raise ModelError(f"{path}: {shorten(name)} is of type {stated['dtype']}; accepted: {types}")
            tensors[name] = _tensor(path, name, stated, data_start)
    return tensors


def _header(path: Path) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield name, description, and where data begin, of each tensor.

    Raises ModelError if the header is damaged, or longer than any model needs.
    """
    with _refused(path), path.open("rb") as stream:
        num_bytes, size = int.from_bytes(stream.read(_LENGTH_BYTES), "little"), path.stat().st_size
        most = min(size - _LENGTH_BYTES, _MAX_HEADER_BYTES)
        if not 0 < num_bytes <= most:
            raise ModelError(
                f"{path}: not a safetensors file, or a damaged one (a header of {num_bytes:,} bytes; "
                f"accepted: 1 to {max(most, 1):,} in a file of {size:,})"
            )
        with safe_open(path, framework="numpy") as file:  # which checks the header
            names = file.keys()
        header = json.loads(stream.read(num_bytes))
    for name in names:
        yield name, header[name], _LENGTH_BYTES + num_bytes


def _tensor(path: Path, name: str, stated: dict[str, Any], data_start: int) -> StoredTensor:
    shape, dtype = tuple(stated["shape"]), _DTYPES[stated["dtype"]]
    row_bytes = (shape[-1] if shape else 1) * dtype.itemsize
    start = data_start + stated["data_offsets"][0]
    return StoredTensor(path, name, shape, dtype.name, start, row_bytes, lambda rows: rows.view(dtype))


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not a safetensors file, or a damaged one ({str(error)[:200]})") from None
