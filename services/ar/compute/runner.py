"""Runs one step: lays the batch out flat, has it computed and sampled. Knows nothing of how that is done."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, Protocol, TypeAlias

from runtime.cores import give_way
from services.ar.engine.sequence import SampledToken
from services.ar.engine.step import Layout, LogitsRow, StepResult, Work, keep_predicted
from tandem.shared.errors import ModelFault, TandemError


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
class Prediction:
    """What a draft head is to predict: `num_wanted` tokens behind those that a sequence gets in this step.

    That are the tokens of `num_rows` of `Wanted.rows`, as far as they are what was `drafted`, and one more.
    """

    first_row: int
    num_rows: int
    drafted: tuple[int, ...]
    num_wanted: int


@dataclass(frozen=True)
class Wanted:
    """What is to be sampled in a step, from the first `num_output_tokens` logits of each row."""

    rows: list[LogitsRow]
    places: list[int]
    """For each of `rows`, which of `Layout.logits_indices` it is."""
    num_output_tokens: int
    predictions: Sequence[Prediction] = ()


@dataclass(frozen=True)
class Sampled:
    """The result of a step that sampled; `is_finite` as `Computed` has it."""

    tokens: list[SampledToken]
    """One for each of `Wanted.rows`; token -1 for a row that is not finite."""

    is_finite: Sequence[bool]
    predictions: Sequence[tuple[int, ...]] = ()
    """One for each of `Wanted.predictions`; fewer tokens than wanted where no more are likely enough."""


RowsOfWork: TypeAlias = "list[LogitsRow] | TandemError"


def with_masks(rows: list[LogitsRow]) -> RowsOfWork:
    """Return the rows of one work with what its sequence's mask allows in each; fewer, where a draft leaves no more.

    The rows behind the last that is returned are void: a token of the draft that stands before them is ruled out, or
    completes the output. MASK rows, which only predict, may be anything. An error ends the work's request alone.
    """
    mask = rows[0].sequence.token_mask if rows else None
    if mask is None:
        return rows
    try:
        allowed = mask.masks(rows[-1].drafted)
    except TandemError as error:
        return error
    for row, each in zip(rows, allowed, strict=False):
        row.allowed = each
    return rows if len(allowed) == 1 + len(rows[-1].drafted) else rows[: len(allowed)]


def allowed_bits(row: LogitsRow) -> bytes:
    """Return which tokens a row may be, a bit for each and at least one of them set; ends that are unwanted are not."""
    allowed, unwanted = row.allowed or b"", row.unwanted_token_ids
    if not unwanted:
        return allowed
    wanted = bytearray(allowed)
    for token_id in unwanted:
        wanted[token_id // 8] &= 0xFF ^ (1 << token_id % 8)
    return bytes(wanted) if any(wanted) else allowed


class Forward(Protocol):
    """The model with its KV cache, as it runs on a device. Called from the engine's thread only."""

    def start(self) -> None:
        """Called once, in the thread that will call, before the first step."""

    def kind(self, work: Work) -> Any:
        """Return, to sort by, what decodes have in common that are computed together."""

    def __call__(self, layout: Layout) -> Computed:
        """Keep keys and values of the step's tokens, finite ones only; return logits, and which rows were finite."""

    def sample(self, layout: Layout, wanted: Wanted) -> Sampled:
        """Do the same, and return tokens sampled from the logits."""


class Runner:
    """`run` turns a step's work into sampled tokens. Called from the engine's thread only.

    The distribution is over the first `num_output_tokens` of the vocabulary; the rest are there to prompt with. All
    threads that compute give way to others by `nice` steps.
    """

    def __init__(self, forward: Forward, block_size: int, num_output_tokens: int, nice: int = 0) -> None:
        self._forward = forward
        self._block_size = block_size
        self._num_output_tokens = num_output_tokens
        self._nice = nice

    def start(self) -> None:
        give_way(self._nice)  # before the forward's threads begin, which inherit it
        self._forward.start()

    def run(self, batch: list[Work], on_computing: Callable[[], object] = lambda: None) -> list[StepResult]:
        """Return, for each work, the tokens it brought: one if it completes, none if more of its prompt is to come.

        A draft brings one more for each of its tokens, as if all before it held; a scored text one for each computed.
        A draft that a mask cuts short brings as many as are left of it. A work for which the model computed NaN or
        infinity has ModelFault instead, one whose mask fails has the mask's error; the others are as without it.
        """
        order = sorted(range(len(batch)), key=lambda place: self._kind(batch[place]))
        results = dict(zip(order, self._run([batch[place] for place in order], on_computing), strict=True))
        return [results[place] for place in range(len(batch))]

    def _kind(self, work: Work) -> tuple[bool, bool, Any]:
        return not work.is_decode, work.num_tokens > 1, self._forward.kind(work) if work.is_decode else 0

    def _run(self, batch: list[Work], on_computing: Callable[[], object]) -> list[StepResult]:
        layout = Layout(batch, self._block_size)
        works = _rows_of_works(layout)
        predictions = list(_predictions(batch, works))
        wanted = Wanted(
            list(_rows(works)), _places(layout, works), self._num_output_tokens, [each for _, each in predictions]
        )
        on_computing()
        sampled = self._forward.sample(layout, wanted)
        tokens = iter(sampled.tokens)
        found = [rows if isinstance(rows, Exception) else list(islice(tokens, len(rows))) for rows in works]
        for (work, _), predicted in zip(predictions, sampled.predictions, strict=True):
            work.predicted = predicted
        is_sound = _soundness(layout, sampled)
        results = [rows if sound else ModelFault() for rows, sound in zip(found, is_sound, strict=True)]
        return [keep_predicted(work, result) for work, result in zip(batch, results, strict=True)]


def _rows_of_works(layout: Layout) -> list[RowsOfWork]:
    """Return the rows that each work is to be sampled from, or why it has none."""
    rows = iter(layout.logits_rows)
    return [with_masks(list(islice(rows, count))) for count in layout.tokens_per_work]


def _rows(works: list[RowsOfWork]) -> Iterable[LogitsRow]:
    return (row for work in works if not isinstance(work, Exception) for row in work)


def _places(layout: Layout, works: list[RowsOfWork]) -> list[int]:
    """Return where, among the logits that are wanted, those of the works' rows are."""
    firsts = accumulate(layout.tokens_per_work, initial=0)
    pairs = zip(firsts, works, strict=False)
    return [first + number for first, work in pairs if not isinstance(work, Exception) for number in range(len(work))]


def _predictions(batch: list[Work], works: list[RowsOfWork]) -> Iterable[tuple[Work, Prediction]]:
    """Yield what a draft head is to predict, and of which work."""
    first_row = 0
    for work, rows in zip(batch, works, strict=True):
        if isinstance(rows, Exception):
            continue
        if work.num_predicted and rows:
            yield work, Prediction(first_row, len(rows), work.draft, work.num_predicted)
        first_row += len(rows)


def _soundness(layout: Layout, sampled: Sampled) -> list[bool]:
    """Return, for each work, whether all that was computed of it is finite."""
    if all(sampled.is_finite):
        return [True] * len(layout.rows_of_works)
    return [all(sampled.is_finite[row] for row in rows) for rows in layout.rows_of_works]


@dataclass(frozen=True)
class Computation:
    """A model with its cache, ready to be started.

    chunk_tokens: where prompts must be cut, so that how a sequence is computed does not depend on the others; None
    where that makes no difference, or where nobody is promised that it does not.
    """

    forward: Forward
    num_blocks: int
    device: str
    dtype: str
    is_exact: bool
    kernel: str
    """What computes the steps: "native", "torch" or "cuda"."""
    kernel_causes: Mapping[str, object]
    """What results depend on to the last bit, besides weights, dtype and processor; values that JSON can hold."""
    chunk_tokens: int | None = None
    has_draft_head: bool = False
    """Whether the forward computes `Wanted.predictions`."""
