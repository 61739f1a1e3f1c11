"""Traces of requests in Mooncake's JSONL: when each came, how long it was, and what it has in common with others.

A line is an object with `timestamp` (milliseconds), `input_length`, `output_length` and `hash_ids`: a number for each
512 tokens of the prompt. Where two prompts begin with the same numbers, they begin with the same tokens.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem.shared.errors import ExpectedError
from tandem.shared.validation_errors import describe_errors

BLOCK_TOKENS = 512


class TraceRow(BaseModel):
    """A request of a trace; other fields are ignored."""

    model_config = ConfigDict(frozen=True)

    timestamp: float = Field(ge=0, allow_inf_nan=False)
    input_length: int = Field(ge=1, le=10_000_000)
    output_length: int = Field(ge=1, le=10_000_000)
    hash_ids: tuple[int, ...] = ()

    def prompt(self) -> tuple[tuple[int, int], ...]:
        """Return the parts of its prompt: see RequestSpec. Tokens that no number stands for are its own."""
        left, parts = self.input_length, []
        for row in self.hash_ids:
            if (count := min(left, BLOCK_TOKENS)) > 0:
                parts.append((row, count))
                left -= count
        return (*parts, (hash((self.timestamp, self.hash_ids)), left)) if left else tuple(parts)


def read_trace(path: Path, speed: float = 1.0) -> tuple[TraceRow, ...]:
    """Return the requests of a file in the order of their time, `speed` times as fast, the first at 0.

    Raises OSError, and ExpectedError that names the line.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(TraceRow.model_validate_json(line))
        except ValidationError as error:
            raise ExpectedError(f"{path}:{number}: no request of a trace: {describe_errors(error)}") from None
    if not rows:
        raise ExpectedError(f"{path}: no requests in it")
    rows.sort(key=lambda row: row.timestamp)
    begin = rows[0].timestamp
    return tuple(row.model_copy(update={"timestamp": (row.timestamp - begin) / speed}) for row in rows)
