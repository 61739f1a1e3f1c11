"""What computing a step yields: the wanted logits, or tokens sampled from them; and which rows were finite."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.ar.engine.layout import LogitsRow
from services.ar.engine.sequence import SampledToken


@dataclass(frozen=True)
class Computed:
    """The result of one step of `runner.Forward`.

    A row is one token of the step. It is finite if its queries, keys and values in every layer, its last hidden state
    and, where its logits were wanted, all of its logits are finite. A row that is not is never to be sampled from or
    shared. Its keys and values are in the cache all the same, saturated: a cache never holds NaN or infinity.
    """

    logits: Any
    """A tensor of torch, or of the native kernel an array that its next step overwrites. [rows whose logits are wanted,
    vocab_size] float32, in the order of `Layout.logits_indices`."""

    is_finite: Sequence[bool]
    """One entry for each row of the step, in the order of `Layout.token_ids`."""


@dataclass(frozen=True)
class Wanted:
    """What is to be sampled in a step, from the first `num_output_tokens` logits of each row."""

    rows: list[LogitsRow]
    places: list[int]
    """For each of `rows`, which of `Layout.logits_indices` it is."""
    num_output_tokens: int


@dataclass(frozen=True)
class Sampled:
    """The result of a step that sampled; `is_finite` as `Computed` has it."""

    tokens: list[SampledToken]
    """One for each of `Wanted.rows`; token -1 for a row that is not finite."""

    is_finite: Sequence[bool]
