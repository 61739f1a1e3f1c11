"""From logits to tokens, for all sequences of a step in one call, by torch.

The native kernel samples by itself; this is for GPUs, for machines without the kernel, and what the kernel's tokens are
compared with.

Randomness is counter-based: one uniform number from (seed, choice, position), whatever else is in the batch. Each row's
result depends on its own logits, parameters and history alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from services.ar.compute.runner import Computed, Sampled, Wanted, allowed_bits
from services.ar.engine.sequence import Alternative, SampledToken, SamplingParams
from services.ar.engine.step import Layout, LogitsRow
from services.common.philox import Philox


class UniformNumbers:
    """Numbers keyed by seed and choice, counted by position. Used by one thread."""

    def __init__(self) -> None:
        self._philox = Philox()

    def at(self, seed: int, choice_index: int, position: int) -> float:
        """Return the number in [0, 1) of a position of one of a seed's sequences; the seed is below 2**64."""
        return float(self._philox.at((seed, choice_index), (position, 0)).random_raw() >> 11) * 2.0**-53


# On a CPU, rows are drawn from by so many values at a time: what is computed of them then stays in a core's cache.
_VALUES_AT_A_TIME = 200_000

# Ends that come too early get the lowest finite logit: with -inf, a row that has nothing else would give NaN. A mask
# leaves something in each row, so what it rules out gets -inf, and can't be drawn whatever is left.
_HIGHEST = torch.finfo(torch.float32).max
_LOWEST = torch.finfo(torch.float32).min

Chooser: TypeAlias = Callable[[Tensor, "list[LogitsRow]"], list[int]]


def sample(logits: Tensor, rows: list[LogitsRow]) -> list[SampledToken]:
    """Return one token for each row of logits [R, num_output_tokens] float32, which must be finite and are not changed.

    What is computed from finite logits stays finite for all parameters in the ranges of ar.proto.
    """
    token_ids = _choose(logits, rows)
    reported = [index for index, row in enumerate(rows) if row.params.logprobs]
    tokens = [SampledToken(token_id) for token_id in token_ids]
    if reported:
        for index, token in zip(reported, _with_logprobs(logits, token_ids, rows, reported), strict=True):
            tokens[index] = token
    return tokens


class TorchSampling:
    """Samples from the logits that a subclass computes."""

    def __call__(self, layout: Layout) -> Computed:
        raise NotImplementedError

    @torch.inference_mode()
    def sample(self, layout: Layout, wanted: Wanted) -> Sampled:
        """Compute a step and sample from it; implements `runner.Forward`."""
        computed = self(layout)
        is_sound = [computed.is_finite[layout.logits_indices[place]] for place in wanted.places]
        places = [place for place, sound in zip(wanted.places, is_sound, strict=True) if sound]
        logits = computed.logits[:, : wanted.num_output_tokens]
        if len(places) < len(logits):
            logits = logits[places]
        found = iter(sample(logits, [row for row, sound in zip(wanted.rows, is_sound, strict=True) if sound]))
        return Sampled([next(found) if sound else SampledToken(-1) for sound in is_sound], computed.is_finite)


def _choose(logits: Tensor, rows: list[LogitsRow]) -> list[int]:
    token_ids = [row.forced or 0 for row in rows]
    for places, choose in _pieces(logits, rows):
        chosen = [rows[place] for place in places]
        for place, token_id in zip(places, choose(_adjusted(logits, places, chosen), chosen), strict=True):
            token_ids[place] = token_id
    return token_ids


def _pieces(logits: Tensor, rows: list[LogitsRow]) -> list[tuple[list[int], Chooser]]:
    """Return groups of rows that are sampled together, by the same method."""
    free = [(place, row.params) for place, row in enumerate(rows) if row.forced is None]
    greedy = [place for place, params in free if params.is_greedy]
    pieces: list[tuple[list[int], Chooser]] = [(greedy, _best)] if greedy else []
    size = max(1, _VALUES_AT_A_TIME // logits.shape[1]) if logits.device.type == "cpu" else len(rows)
    for truncates, choose in ((False, _draw), (True, _draw_truncated)):
        drawn = [place for place, params in free if not params.is_greedy and params.truncates == truncates]
        pieces.extend((drawn[first : first + size], choose) for first in range(0, len(drawn), size))
    return pieces


def _adjusted(logits: Tensor, places: list[int], rows: list[LogitsRow]) -> Tensor:
    """Return the logits of the rows at `places` with bias, penalties, min_tokens and masks applied."""
    in_need = [index for index, row in enumerate(rows) if _needs_adjusting(row)]
    if not in_need and len(places) == len(logits):
        return logits
    logits = logits[places]  # a copy
    for index in in_need:
        _adjust(logits[index], rows[index])
    rule_out(logits, rows)
    return logits


def _needs_adjusting(row: LogitsRow) -> bool:
    params = row.params
    return bool(params.logit_bias or params.has_penalties or not row.may_end or row.allowed is not None)


def _adjust(logits: Tensor, row: LogitsRow) -> None:
    """Apply bias, penalties and min_tokens to logits [num_output_tokens], in place."""
    params = row.params
    for token_id, bias in params.logit_bias.items():
        logits[token_id] += bias
    if params.has_penalties:
        _penalise(logits, row)
    if not row.may_end:
        logits[list(row.sequence.ending_token_ids)] = _LOWEST


def _penalise(logits: Tensor, row: LogitsRow) -> None:
    params, device = row.params, logits.device
    present = {*row.sequence.token_ids, *row.drafted}
    # A prompt may hold tokens that are never output.
    seen = torch.tensor([token_id for token_id in present if token_id < len(logits)], device=device, dtype=torch.long)
    scale = params.repetition_penalty
    scaled = torch.where(logits[seen] > 0, logits[seen] / scale, logits[seen] * scale)
    logits[seen] = scaled.clamp(_LOWEST, _HIGHEST)
    counts = Counter([*row.sequence.output_token_ids, *row.drafted])
    ids = torch.tensor(list(counts), device=device, dtype=torch.long)
    times = torch.tensor(list(counts.values()), device=device, dtype=torch.long)
    logits[ids] -= times * params.frequency_penalty + params.presence_penalty


def _best(logits: Tensor, _: list[LogitsRow]) -> list[int]:
    return cast(list[int], logits.argmax(dim=-1).tolist())


def _draw(logits: Tensor, rows: list[LogitsRow]) -> list[int]:
    """Return tokens drawn from logits [R, num_output_tokens] by inversion of the cumulative distribution."""
    return _invert(_probabilities(logits, rows), _uniforms(rows))


def _draw_truncated(logits: Tensor, rows: list[LogitsRow]) -> list[int]:
    """Return tokens drawn from what top_k, top_p and min_p leave of the distributions."""
    probabilities = _probabilities(logits, rows)
    token_ids = []
    truncated = truncate(probabilities, [row.params for row in rows])
    for uniform, (kept, ids) in zip(_uniforms(rows), truncated, strict=True):
        token_ids.append(int(ids[_invert(kept.unsqueeze(0), [uniform])[0]]))
    return token_ids


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


def _probabilities(logits: Tensor, rows: list[LogitsRow]) -> Tensor:
    """Return the distributions [R, num_output_tokens] float32 at each row's temperature, which is above 0."""
    temperatures = torch.tensor([row.params.temperature for row in rows], device=logits.device).unsqueeze(1)
    probabilities = (logits / temperatures).softmax(dim=-1)
    overflowed = probabilities[:, 0].isnan()  # softmax makes the whole row NaN if one quotient is not finite
    if overflowed.any():
        exact = torch.tensor([row.params.temperature for row in rows], device=logits.device, dtype=torch.double)
        probabilities[overflowed] = _cold_softmax(logits[overflowed], exact[overflowed])
    return probabilities


def _cold_softmax(logits: Tensor, temperatures: Tensor) -> Tensor:
    """Return softmax(logits [R, V] / temperatures [R]) where the quotients, or the temperatures, pass float32's range.

    The largest logit is subtracted before the division, so the quotients are 0 and less: an overflow is a probability
    of 0. The limit, as the temperature goes to 0, is an equal share for each of the largest.
    """
    below = logits.double()
    below -= below.amax(dim=-1, keepdim=True)
    return (below / temperatures.unsqueeze(1)).softmax(dim=-1).to(logits.dtype)


def _uniforms(rows: list[LogitsRow]) -> list[float]:
    numbers = UniformNumbers()
    return [_uniform(row, numbers) for row in rows]


def _uniform(row: LogitsRow, numbers: UniformNumbers) -> float:
    return numbers.at(row.params.seed, row.sequence.choice_index, row.position)


def _invert(probabilities: Tensor, uniforms: list[float]) -> list[int]:
    """Return, for each row of probabilities [R, N], the place at which the cumulative sum passes its number's share."""
    cumulative = probabilities.double().cumsum(dim=-1)
    targets = torch.tensor(uniforms, dtype=torch.double, device=cumulative.device).unsqueeze(1) * cumulative[:, -1:]
    found = torch.searchsorted(cumulative, targets, right=True).squeeze(1)
    return cast(list[int], found.clamp(max=probabilities.shape[1] - 1).tolist())


def _with_logprobs(
    logits: Tensor, token_ids: list[int], rows: list[LogitsRow], reported: list[int]
) -> list[SampledToken]:
    """Return the tokens of the rows `reported`, with their log-probabilities and best alternatives."""
    log_probabilities = logits[reported].log_softmax(dim=-1)
    chosen = [token_ids[index] for index in reported]
    logprobs = log_probabilities[range(len(chosen)), chosen].tolist()
    counts = [rows[index].params.top_logprobs for index in reported]
    best = log_probabilities.topk(max(counts))  # the best first, so that fewer are a part of more
    alternatives = zip(best.indices.tolist(), best.values.tolist(), counts, strict=True)
    return [
        SampledToken(token_id, logprob, tuple(map(Alternative, ids[:count], values[:count])))
        for token_id, logprob, (ids, values, count) in zip(chosen, logprobs, alternatives, strict=True)
    ]


# What is added to the logits of eight tokens, by the byte that tells which of them are allowed: [256, 8] float32.
_PENALTIES = np.where(
    np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), 0.0, -np.inf
).astype(np.float32)


def rule_out(logits: Tensor, rows: list[LogitsRow]) -> None:
    """Set logits [R, num_output_tokens], finite, of tokens that are not allowed to -inf, in place.

    Each row keeps at least one; an end that is unwanted is kept only where nothing else is.
    """
    masked = [place for place, row in enumerate(rows) if row.allowed is not None]
    if not masked:
        return
    bits = np.frombuffer(b"".join(allowed_bits(rows[place]) for place in masked), np.uint8).reshape(len(masked), -1)
    for place, of_row in zip(masked, _penalties(bits, logits.device), strict=True):
        logits[place] += of_row[: logits.shape[1]]


def _penalties(bits: npt.NDArray[np.uint8], device: torch.device) -> Iterator[Tensor]:
    """Yield what is added to the logits of each row of bits [R, N]: [8 * N] float32, good until the next one."""
    if device.type == "cpu":
        # Half of what a mask of single tokens takes to make and apply: by one buffer that stays in a core's cache, and
        # by `clip`, without which take is as slow as indexing.
        penalties = np.empty((bits.shape[1], 8), np.float32)
        for row in bits.astype(np.intp):
            np.take(_PENALTIES, row, axis=0, out=penalties, mode="clip")
            yield torch.from_numpy(penalties).flatten()
        return
    on_device = torch.from_numpy(bits).to(device, non_blocking=True)  # a thirty-second of the penalties' size
    yield from functional.embedding(on_device.int(), torch.from_numpy(_PENALTIES).to(device)).flatten(1)
