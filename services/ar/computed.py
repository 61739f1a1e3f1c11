"""What computing a step yields: the logits that were wanted, and which rows met nothing but finite numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Computed:
    """The result of one step of `runner.Forward`.

    A row is one token of the step. It is finite if its queries, keys and values in every layer, its last hidden state
    and, where its logits were wanted, all of its logits are finite. A row that is not is never to be sampled from or
    shared. Its keys and values are in the cache all the same, saturated: a cache never holds NaN or infinity.
    """

    logits: Tensor
    """[rows whose logits are wanted, vocab_size] float32, in the order of `Layout.logits_indices`."""

    is_finite: Sequence[bool]
    """One entry for each row of the step, in the order of `Layout.token_ids`."""
