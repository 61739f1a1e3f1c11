"""How long requests are, as people write it: `64`, `uniform:16:128` (both ends included), `geometric:64` (the mean; at
least 1), `choice:16:64:256` (each as likely).
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, model_validator

Shape = Literal["fixed", "uniform", "geometric", "choice"]
_NUM_PARAMETERS = {"fixed": 1, "uniform": 2, "geometric": 1}
_MAX_LENGTH = 10_000_000
_LENGTHS_ACCEPTED = "N, uniform:LOW:HIGH, geometric:MEAN or choice:A:B:..., of whole numbers from 1 to 10 million"


class Lengths(BaseModel):
    """`parameters` are the value; lowest and highest; the mean; or the values to choose from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Shape
    parameters: tuple[int, ...]

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Accept the written form, and a plain number."""
        if not isinstance(value, str | int):
            return value
        words = str(value).split(":")
        shape, numbers = ("fixed", words) if len(words) == 1 else (words[0], words[1:])
        if shape not in (*_NUM_PARAMETERS, "choice") or not all(number.isdecimal() for number in numbers):
            raise ValueError(f"{value!r} is not accepted: {_LENGTHS_ACCEPTED}")
        return {"shape": shape, "parameters": tuple(int(number) for number in numbers)}

    @model_validator(mode="after")
    def _makes_sense(self) -> "Lengths":
        number = _NUM_PARAMETERS.get(self.shape, len(self.parameters))
        is_upside_down = self.shape == "uniform" and list(self.parameters) != sorted(self.parameters)
        if (
            len(self.parameters) != number
            or min(self.parameters, default=0) < 1
            or is_upside_down
            or max(self.parameters) > _MAX_LENGTH
        ):
            raise ValueError(f"{str(self)!r} is not accepted: {_LENGTHS_ACCEPTED}")
        return self

    def __str__(self) -> str:
        numbers = ":".join(str(number) for number in self.parameters)
        return numbers if self.shape == "fixed" else f"{self.shape}:{numbers}"

    def draw(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Return `count` lengths."""
        first = self.parameters[0]
        if self.shape == "uniform":
            return random.integers(first, self.parameters[1], count, endpoint=True)
        if self.shape == "geometric":
            return random.geometric(1 / first, count)
        if self.shape == "choice":
            return random.choice(np.asarray(self.parameters, np.int64), count)
        return np.full(count, first, np.int64)
