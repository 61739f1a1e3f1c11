"""What all parts of documents have in common, and the one form of a measured value with its uncertainty."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Method = Literal["bca", "percentile", "range", "t"]


class Part(BaseModel):
    """A part of a document, or a whole one: it does not change, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Value(Part):
    """`low` and `high` are the ends of what `method` says, of `count` values, rounds or resamples.

    "bca", "percentile": a confidence interval by bootstrap. "t": one by Student's t.
    "range": the least and the greatest value, where there are too few for an interval. None: not even that can be said,
    as of a p99 of too few requests. No number is NaN or infinite: JSON has neither, and what is written could not be
    read.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    value: float
    low: float | None = None
    high: float | None = None
    method: Method | None = None
    count: int
