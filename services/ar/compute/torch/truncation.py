"""Which tokens of a distribution top_k, top_p and min_p leave, mostly without sorting a whole vocabulary."""

from torch import Tensor

from services.ar.engine.sequence import SamplingParams

_NUM_TRIED = 1024
"""Tokens sorted at first, which suffice for most distributions; a vocabulary is sorted as a whole for the others."""

Kept = tuple[Tensor, Tensor]
"""Probabilities and token ids, the best first, equals as they stood."""


def truncate(probabilities: Tensor, params: list[SamplingParams]) -> list[Kept]:
    """Return what is left of each row of probabilities [R, num_output_tokens]."""
    return [_truncate(row, of_row) for row, of_row in zip(probabilities, params, strict=True)]


def _truncate(probabilities: Tensor, params: SamplingParams) -> Kept:
    values, token_ids = probabilities.topk(min(_NUM_TRIED, len(probabilities)))
    num_kept = _num_kept(values, probabilities, params)
    # More tokens would change nothing where one was sorted that is not left, and equals have no order of topk's own.
    is_enough = max(num_kept, params.top_k) < len(values)
    if not is_enough or not bool((values[1 : num_kept + 1] < values[:num_kept]).all()):
        values, token_ids = probabilities.sort(descending=True, stable=True)
        num_kept = _num_kept(values, probabilities, params)
    return values[:num_kept], token_ids[:num_kept]


def _num_kept(values: Tensor, probabilities: Tensor, params: SamplingParams) -> int:
    """Return how many of the sorted `values` are left, if these are all there are."""
    if params.top_k:
        values = values[: params.top_k]
    before = values.cumsum(dim=0) - values
    total = values.sum() if params.top_k else probabilities.sum()
    keep = (before < params.top_p * total) & (values >= params.min_p * values[0])
    return max(1, int(keep.sum()))  # both conditions hold for a prefix
