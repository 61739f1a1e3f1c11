"""Which tokens of a distribution top_k, top_p and min_p leave, without sorting a whole vocabulary."""

from torch import Tensor

from services.ar.engine.sampling_params import SamplingParams

_NUM_TRIED = 256
"""Tokens sorted at first: enough for most distributions, and few enough for a selection by heap."""

_NUM_SORTED_FIRST = 1024
"""Tokens sorted if those do not suffice or hold equals. Equals stay in topk's order, which varies with its k."""

_NUM_SORTED_NEXT = 8192
"""Tokens sorted if those do not suffice; the few distributions that want still more are sorted in full."""

Kept = tuple[Tensor, Tensor]
"""Probabilities and token ids, the best first."""


def truncate(probabilities: Tensor, params: list[SamplingParams]) -> list[Kept]:
    """Return what is left of each row of probabilities [R, num_output_tokens]."""
    best = probabilities.topk(min(_NUM_TRIED, probabilities.shape[1]))
    rows = zip(probabilities, best.values, best.indices, params, strict=True)
    return [_truncate(row, (values, token_ids), of_row) for row, values, token_ids, of_row in rows]


def _truncate(probabilities: Tensor, tried: Kept, params: SamplingParams) -> Kept:
    values, token_ids = tried
    num_kept = _num_kept(values, probabilities, params)
    if _has_more(values, num_kept, params) and _has_one_order(values[: num_kept + 1]):
        return values[:num_kept], token_ids[:num_kept]
    values, token_ids = probabilities.topk(min(_NUM_SORTED_FIRST, len(probabilities)))
    if not _suffices(values, params):
        values, token_ids = _sort(probabilities, params)
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


def _has_more(values: Tensor, num_kept: int, params: SamplingParams) -> bool:
    """Return whether `values` hold a token that is not left, so that with more of them it would be the same ones."""
    return max(num_kept, params.top_k) < len(values)


def _has_one_order(values: Tensor) -> bool:
    return bool((values[1:] < values[:-1]).all())


def _suffices(values: Tensor, params: SamplingParams) -> bool:
    """Return whether the tokens that the parameters keep are all among the sorted `values`."""
    if 0 < params.top_k <= len(values):
        return True
    return float(values.sum()) > params.top_p or float(values[-1]) < params.min_p * float(values[0])


def _sort(probabilities: Tensor, params: SamplingParams) -> Kept:
    """Return the tokens in order, equals as they stood: the first ones if these suffice, or else all."""
    least = probabilities.topk(min(_NUM_SORTED_NEXT, len(probabilities)), sorted=False).values.min()
    token_ids = (probabilities >= least).nonzero().squeeze(1)
    values, order = probabilities[token_ids].sort(descending=True, stable=True)
    if _has_more(values, _num_kept(values, probabilities, params), params):
        return values, token_ids[order]
    return probabilities.sort(descending=True, stable=True)
