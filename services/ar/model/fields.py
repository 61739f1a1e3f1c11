"""Values read from a file that came with a model: bounded in size, each checked for type and range when it is used."""

import json
import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tandem.shared.models import ModelError

MAX_JSON_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Fields:
    """Values by field, as the file has them; None counts as missing. All methods raise ModelError."""

    file: Path
    values: Mapping[str, object]
    keys: Mapping[str, str] = field(default_factory=dict)
    """What the file calls a field, for errors; a field that is not here has the same name in the file."""

    def key(self, name: str) -> str:
        return self.keys.get(name, name)

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number from `low` to `high`; neither a bool nor a float counts as one."""
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(name, value, f"a whole number from {low:,} to {high:,}")
        return value

    def optional_integer(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`, or None if it is missing."""
        return self.integer(name, low, high) if self.has(name) else None

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a number from `low` to `high`."""
        value = self._get(name, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        # A whole number of JSON may be too large for a float: it is compared as it is. NaN is in no range.
        if not is_number or not low <= value <= high:  # type: ignore[operator]
            raise self.error(name, value, f"a number from {low:g} to {high:g}")
        return float(value)  # type: ignore[arg-type]

    def numbers(self, name: str, length: int, low: float, high: float) -> tuple[float, ...]:
        """Return a list of `length` numbers, each from `low` to `high`."""
        values = self.values.get(name)
        if not isinstance(values, list) or len(values) != length:
            found = len(values) if isinstance(values, list) else values
            raise self.error(name, found, f"a list of {length:,} numbers")
        return tuple(Fields(self.file, {name: value}, self.keys).number(name, low, high) for value in values)

    def flag(self, name: str) -> bool:
        """Return True or False; False if it is missing."""
        value = self._get(name, False)
        if not isinstance(value, bool):
            raise self.error(name, value, "true or false")
        return value

    def optional_text(self, name: str, max_characters: int = 1024) -> str | None:
        """Return a text that UTF-8 can hold, or None if it is missing."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > max_characters or not _is_unicode(value):
            raise self.error(name, value, f"a text of at most {max_characters:,} characters")
        return value

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text of at most 1,024 characters."""
        value = self.optional_text(name)
        value = default if value is None else value
        if value is None:
            raise self.error(name, None, "a text")
        return value

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def error(self, name: str, value: object, accepted: str) -> ModelError:
        """Return the error that names file, key, value and what is accepted instead."""
        what = "missing" if value is None else shorten(value)
        return ModelError(f"{self.file}: {self.key(name)} is {what}; accepted: {accepted}")

    def _get(self, name: str, default: object) -> object:
        value = self.values.get(name)
        return default if value is None else value


def shorten(value: object) -> str:
    """Return a value as an error shows it: at most some 100 characters, whatever its size or depth."""
    return _SHORT.repr(value)


class _Short(reprlib.Repr):
    """Cuts texts, lists, depth and whole numbers, whose digits Python would not even write out beyond 4,300."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxdict, self.maxtuple = 2, 3, 3, 4
        self.maxstring = self.maxother = 80

    def repr_int(self, value: int, level: int) -> str:
        is_long = abs(value) >= 10**30
        return f"a whole number of {math.floor(math.log10(abs(value))) + 1} digits" if is_long else repr(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write
        return False
    return True


_SHORT = _Short()


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
