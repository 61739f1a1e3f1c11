"""What the sender in Python makes its calls with: one implementation a protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from tandem.measure.generator.sending.column_reader import ColumnReader
from tandem.measure.generator.sending.python_call import PythonCall
from tandem.measure.generator.sending.sender import Route


class Calls(ABC):
    """The connections to one server. Make it, and use it, in one running event loop."""

    @abstractmethod
    async def connect(self) -> None:
        """Open the connections, which may take as long as it takes. Raises OSError."""

    @abstractmethod
    async def close(self) -> None:
        """Give them back."""

    @abstractmethod
    def begin(
        self, route: Route, reader: ColumnReader, spec: Any, message: bytes, intended: float, zero: float
    ) -> PythonCall:
        """Return a call that has begun; instants are those of `PythonCall`."""
