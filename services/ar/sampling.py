"""From logits to tokens, for all sequences of a step in one call.

Randomness is counter-based: one uniform number from (seed, choice, position), whatever else is in the batch. Each row's
result depends on its own logits, parameters and history alone.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from services.ar.sampling_params import SamplingParams
from services.ar.sequence import Alternative, SampledToken, Sequence

# Most distributions have the mass that top_p keeps within this many tokens; the others are sorted in full.
_NUM_SORTED_FIRST = 1024


@dataclass(frozen=True)
class LogitsRow:
    """Whose logits a row is: `forced` is the token that stands there already when a text is scored."""

    sequence: Sequence
    forced: int | None = None


def sample(logits: Tensor, rows: list[LogitsRow]) -> list[SampledToken]:
    """Return one token for each row of logits [R, num_output_tokens] float32; logits are not changed."""
    token_ids = _choose(logits, rows)
    reported = [index for index, row in enumerate(rows) if row.sequence.params.logprobs]
    tokens = [SampledToken(token_id) for token_id in token_ids]
    if reported:
        for index, token in zip(reported, _with_logprobs(logits, token_ids, rows, reported), strict=True):
            tokens[index] = token
    return tokens


def _choose(logits: Tensor, rows: list[LogitsRow]) -> list[int]:
    adjusted = {index: _adjust(logits[index], row.sequence) for index, row in enumerate(rows) if _needs_adjusting(row)}
    if adjusted:
        logits = logits.clone()
        for index, values in adjusted.items():
            logits[index] = values
    token_ids = cast(list[int], logits.argmax(dim=-1).tolist())
    for index, row in enumerate(rows):
        if row.forced is not None:
            token_ids[index] = row.forced
        elif not row.sequence.params.is_greedy:
            token_ids[index] = _draw(logits[index], row.sequence)
    return token_ids


def _needs_adjusting(row: LogitsRow) -> bool:
    params = row.sequence.params
    return row.forced is None and bool(params.logit_bias or params.has_penalties or not row.sequence.may_end)


def _adjust(logits: Tensor, sequence: Sequence) -> Tensor:
    """Return a copy of logits [num_output_tokens] with bias, penalties and min_tokens applied."""
    logits, params = logits.clone(), sequence.params
    for token_id, bias in params.logit_bias.items():
        logits[token_id] += bias
    if params.has_penalties:
        _penalise(logits, sequence)
    if not sequence.may_end:
        logits[list(sequence.ending_token_ids)] = -torch.inf
    return logits


def _penalise(logits: Tensor, sequence: Sequence) -> None:
    params = sequence.params
    seen = torch.tensor(sequence.token_ids, device=logits.device).unique()
    seen = seen[seen < len(logits)]  # a prompt may hold tokens that are never output
    scale = params.repetition_penalty
    logits[seen] = torch.where(logits[seen] > 0, logits[seen] / scale, logits[seen] * scale)
    output = torch.tensor(sequence.output_token_ids, dtype=torch.long, device=logits.device)
    ids, counts = output.unique(return_counts=True)
    logits[ids] -= counts * params.frequency_penalty + params.presence_penalty


def _draw(logits: Tensor, sequence: Sequence) -> int:
    """Return a token drawn from logits [num_output_tokens] by inversion of the cumulative distribution."""
    params = sequence.params
    uniform = uniform_number(params.seed, sequence.choice_index, sequence.num_output_tokens)
    probabilities = (logits / params.temperature).softmax(dim=-1)
    if not params.truncates:
        return _invert(probabilities, uniform)
    kept, token_ids = _truncate(probabilities, params)
    return int(token_ids[_invert(kept, uniform)])


def _truncate(probabilities: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """Return (probabilities, token ids) of the tokens that top_k, top_p and min_p leave, the best first."""
    values, token_ids = probabilities.topk(min(_NUM_SORTED_FIRST, len(probabilities)))
    if not _suffices(values, params):
        values, token_ids = probabilities.sort(descending=True, stable=True)
    if params.top_k:
        values = values[: params.top_k]
    before = values.cumsum(dim=0) - values
    total = values.sum() if params.top_k else probabilities.sum()
    keep = (before < params.top_p * total) & (values >= params.min_p * values[0])
    keep[0] = True
    num_kept = int(keep.sum())  # both conditions hold for a prefix
    return values[:num_kept], token_ids[:num_kept]


def _suffices(values: Tensor, params: SamplingParams) -> bool:
    """Return whether the tokens that the parameters keep are all among the sorted `values`."""
    if 0 < params.top_k <= len(values):
        return True
    return float(values.sum()) > params.top_p or float(values[-1]) < params.min_p * float(values[0])


def _invert(probabilities: Tensor, uniform: float) -> int:
    cumulative = probabilities.double().cumsum(dim=0)
    index = int(torch.searchsorted(cumulative, uniform * cumulative[-1], right=True))
    return min(index, len(probabilities) - 1)


def uniform_number(seed: int, choice_index: int, position: int) -> float:
    """Return a number in [0, 1) from the Philox generator (Salmon et al. 2011) keyed by seed and choice."""
    bits = np.random.Philox(key=seed | choice_index << 64, counter=position).random_raw()
    return float(bits >> 11) * 2.0**-53


def _with_logprobs(
    logits: Tensor, token_ids: list[int], rows: list[LogitsRow], reported: list[int]
) -> list[SampledToken]:
    """Return the tokens of the rows `reported`, with their log-probabilities and best alternatives."""
    log_probabilities = logits[reported].log_softmax(dim=-1)
    chosen = [token_ids[index] for index in reported]
    logprobs = log_probabilities[range(len(chosen)), chosen].tolist()
    counts = [rows[index].sequence.params.top_logprobs for index in reported]
    best = log_probabilities.topk(max(counts))  # the best first, so that fewer are a part of more
    alternatives = zip(best.indices.tolist(), best.values.tolist(), counts, strict=True)
    return [
        SampledToken(token_id, logprob, tuple(map(Alternative, ids[:count], values[:count])))
        for token_id, logprob, (ids, values, count) in zip(chosen, logprobs, alternatives, strict=True)
    ]
