"""Reads a JSON object from a file that came with a model: bounded in size and depth, every failure in words."""

import json
from pathlib import Path
from typing import Any

from tandem.shared.models import ModelError

MAX_JSON_BYTES = 16 * 1024 * 1024


def read_text(path: Path, max_bytes: int = MAX_JSON_BYTES) -> str:
    """Return the text of a UTF-8 file. Raises ModelError if there is none, or it is larger than `max_bytes`."""
    check_size(path, max_bytes)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}") from None


def check_size(path: Path, max_bytes: int) -> None:
    """Raises ModelError unless `path` is a file of at most `max_bytes` bytes."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    size = path.stat().st_size
    if size > max_bytes:
        raise ModelError(f"{path}: is {size:,} bytes long; accepted: at most {max_bytes:,}")


def read_object(path: Path, is_optional: bool = False) -> dict[str, Any]:
    """Return the object of a file, or an empty one if it is optional and not there. Raises ModelError."""
    if is_optional and not path.exists():
        return {}
    text = read_text(path)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path}: {error}") from None
    except RecursionError:
        raise ModelError(f"{path}: values are nested too deeply") from None
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds a {type(value).__name__}; accepted: an object")
    return value
