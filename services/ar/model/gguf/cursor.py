"""Reads numbers and texts of a GGUF header one after another, never beyond the file's end and never without bound."""

import struct
from pathlib import Path

import numpy as np

from services.ar.model.fields import shortened
from tandem.shared.models import ModelError

MAX_TEXTS = 4_194_304
"""Texts that the arrays of one header may have in all: tokens and merges of the largest vocabulary, with room."""


class GgufCursor:
    """A place in the bytes of a file, which each method moves on. All methods raise ModelError; `what` names a value.

    Numbers are little-endian, as in every file that llama.cpp writes on common machines.
    """

    def __init__(self, file: Path, data: np.ndarray) -> None:
        self.file = file
        self.offset = 0
        self._data = data.data
        self._num_texts = 0

    @property
    def remaining(self) -> int:
        """Bytes from here to the end of the file."""
        return len(self._data) - self.offset

    def error(self, what: str, value: object, accepted: str) -> ModelError:
        return ModelError(f"{self.file}: {what} is {shortened(value)}; accepted: {accepted}")

    def number(self, code: str, what: str) -> int | float | bool:
        """Return a number of `struct`'s format `code`, for example "I"."""
        layout = f"<{code}"
        size = struct.calcsize(layout)
        self._require(size, what)
        (value,) = struct.unpack_from(layout, self._data, self.offset)
        self.offset += size
        return value  # type: ignore[no-any-return]

    def integer(self, code: str, what: str) -> int:
        """Return a whole number of `struct`'s format `code`."""
        return int(self.number(code, what))

    def count(self, code: str, what: str, bytes_each: int, most: int | None = None) -> int:
        """Return how many items of at least `bytes_each` bytes follow: at most `most`, and no more than fit."""
        value = self.integer(code, what)
        fitting = self.remaining // bytes_each
        limit = fitting if most is None else min(fitting, most)
        if value > limit:
            raise self.error(what, value, f"0 to {limit:,}, with {self.remaining:,} bytes of the file left")
        return value

    def text(self, what: str) -> str:
        """Return a text: its length in bytes, then UTF-8."""
        size = self.count("Q", f"the length of {what}", 1)
        start, self.offset = self.offset, self.offset + size
        try:
            return str(self._data[start : self.offset], "utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.file}: {what} is no UTF-8 ({error.reason})") from None

    def texts(self, what: str) -> list[str]:
        """Return an array of texts: their number, then text after text."""
        num_texts = self.count("Q", f"the number of {what}", 8, MAX_TEXTS - self._num_texts)
        self._num_texts += num_texts
        return [self.text(what) for _ in range(num_texts)]

    def numbers(self, code: str, what: str) -> np.ndarray:
        """Return an array of numbers, a view of the file: their number, then one after another; bools as bytes."""
        dtype = np.dtype(f"<{'B' if code == '?' else code}")
        length = self.count("Q", f"the number of {what}", dtype.itemsize)
        values = np.frombuffer(self._data, dtype, length, self.offset)
        self.offset += values.nbytes
        return values

    def _require(self, num_bytes: int, what: str) -> None:
        if num_bytes > self.remaining:
            raise ModelError(f"{self.file}: not a GGUF file, or a damaged one (it ends before {what})")
