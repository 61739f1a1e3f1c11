"""The transformer computed by the kernel, on a CPU. Implements `runner.Forward`."""

import ctypes
import logging
import threading
import weakref
from array import array
from collections.abc import Callable
from itertools import pairwise, takewhile
from weakref import WeakKeyDictionary

import numpy as np

from services.ar.compute.memory import empty
from services.ar.compute.native.interface import LANES, Draft, Row, Samples, Sampling, Step
from services.ar.compute.native.library import Kernel, open_kernel
from services.ar.compute.native.packing import STORED, address_of
from services.ar.compute.native.parameters import FINE_POSITIONS, Parameters, Sizes, layer_cache
from services.ar.compute.runner import Computed, Prediction, Sampled, Wanted, allowed_bits
from services.ar.engine.sequence import Alternative, SampledToken, Sequence
from services.ar.engine.step import Layout, LogitsRow, Work
from services.ar.model.arrays import Array
from services.ar.model.checkpoint import Checkpoint
from services.ar.model.draft_head import DraftHead
from tandem.shared.cache_folder import cache_folder
from tandem.shared.compiled.recipe import LibraryUnavailable


class History:
    """A sequence as the kernel sees it; lasts as long as the sequence does.

    `address` is that of its `Sampling`. `tokens` follows the sequence's tokens as they come, so that a step costs the
    same at any length; a sequence without penalties leaves it empty.
    """

    def __init__(self, sequence: Sequence) -> None:
        params = sequence.params
        self._bias_ids = array("i", params.logit_bias.keys())
        self._biases = array("f", params.logit_bias.values())
        self._sampling = Sampling(
            temperature=params.temperature,
            top_p=params.top_p,
            min_p=params.min_p,
            seed=params.seed,
            choice=sequence.choice_index,
            top_k=params.top_k,
            top_logprobs=params.top_logprobs if params.logprobs else -1,
            has_penalties=params.has_penalties,
            repetition_penalty=params.repetition_penalty,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            num_biases=len(self._bias_ids),
            bias_ids=self._bias_ids.buffer_info()[0],
            biases=self._biases.buffer_info()[0],
        )
        self.address = ctypes.addressof(self._sampling)
        self.tokens = array("i")

    def follow(self, sequence: Sequence) -> "array[int]":
        """Return all tokens of the sequence. They are only ever added to."""
        self.tokens.extend(sequence.token_ids[len(self.tokens) :])
        return self.tokens


class Histories:
    """The histories of all sequences that there are."""

    def __init__(self) -> None:
        self._histories: WeakKeyDictionary[Sequence, History] = WeakKeyDictionary()

    def of(self, sequence: Sequence) -> History:
        history = self._histories.get(sequence)
        if history is None:
            history = self._histories[sequence] = History(sequence)
        return history


class Rows:
    """What is wanted of one step. `struct` refers to memory of this object; `tokens` is for after the step."""

    def __init__(self, wanted: Wanted, histories: Histories) -> None:
        self._wanted = wanted.rows
        self._held: list[object] = [histories]  # what addresses point to
        num_rows = len(wanted.rows)
        self._rows = (Row * num_rows)()
        sequence = history = None
        for row, of_step, place in zip(self._rows, wanted.rows, wanted.places, strict=True):
            if history is None or of_step.sequence is not sequence:
                sequence, history = of_step.sequence, histories.of(of_step.sequence)
            self._fill(row, history, of_step, place, wanted.num_output_tokens)
        self._columns = max((row.params.top_logprobs for row in wanted.rows if row.params.logprobs), default=0)
        self._token_ids = (ctypes.c_int32 * num_rows)()
        self._logprobs = (ctypes.c_float * num_rows)()
        self._alternative_ids = (ctypes.c_int32 * (num_rows * self._columns))()
        self._alternative_logprobs = (ctypes.c_float * (num_rows * self._columns))()
        answers = (self._token_ids, self._logprobs, self._alternative_ids, self._alternative_logprobs)
        addresses = [ctypes.addressof(answer) for answer in answers]
        self._predicted = [array("i", [0] * each.num_wanted) for each in wanted.predictions]
        self._drafts = (Draft * len(wanted.predictions))(*map(self._draft, wanted.predictions, self._predicted))
        self.struct = Samples(
            num_rows,
            wanted.num_output_tokens,
            self._columns,
            ctypes.addressof(self._rows),
            *addresses,
            len(self._drafts),
            ctypes.addressof(self._drafts),
        )

    def tokens(self) -> list[SampledToken]:
        """Return the token of each row, with the details that its request asks for; -1 for a row that is not finite."""
        tokens = map(SampledToken, self._token_ids)
        return [
            self._report(place) if row.params.logprobs else token
            for place, (row, token) in enumerate(zip(self._wanted, tokens, strict=True))
        ]

    def predictions(self) -> list[tuple[int, ...]]:
        """Return what the draft head predicts, for each of `Wanted.predictions`."""
        return [tuple(takewhile(lambda token_id: token_id >= 0, predicted)) for predicted in self._predicted]

    def _draft(self, wanted: Prediction, predicted: "array[int]") -> Draft:
        drafted, num_drafted = self._held_ints(wanted.drafted)
        return Draft(
            wanted.first_row,
            wanted.num_rows,
            num_drafted,
            wanted.num_wanted,
            LEAST_CHANCE,
            drafted,
            predicted.buffer_info()[0],
        )

    def _report(self, place: int) -> SampledToken:
        first = place * self._columns
        found = slice(first, first + self._wanted[place].params.top_logprobs)
        alternatives = map(Alternative, self._alternative_ids[found], self._alternative_logprobs[found])
        return SampledToken(self._token_ids[place], self._logprobs[place], tuple(alternatives))

    def _fill(self, row: Row, history: History, wanted: LogitsRow, place: int, num_tokens: int) -> None:
        params = wanted.params
        row.sampling = history.address
        row.logits_row = place
        row.position = wanted.position
        row.forced = -1 if wanted.forced is None else wanted.forced
        if params.has_penalties:
            tokens = history.follow(wanted.sequence)
            row.history, row.num_history = tokens.buffer_info()
            row.num_prompt = wanted.sequence.num_prompt_tokens
            row.drafted, row.num_drafted = self._held_ints(wanted.drafted)
        if params.min_tokens and not wanted.may_end:
            row.ruled_out, row.num_ruled_out = self._held_ints(wanted.sequence.ending_token_ids)
        if wanted.allowed is not None:
            row.allowed = self._held_bits(wanted, num_tokens)

    def _held_ints(self, values: tuple[int, ...] | frozenset[int]) -> tuple[int, int]:
        held = array("i", values)
        self._held.append(held)
        return held.buffer_info()

    def _held_bits(self, wanted: LogitsRow, num_tokens: int) -> int:
        bits = allowed_bits(wanted)
        if 8 * len(bits) < num_tokens:
            raise ValueError(f"a mask of {8 * len(bits)} tokens for {num_tokens}")
        held = array("B", bits)  # its address costs less than that of numpy's
        self._held.append(held)
        return held.buffer_info()[0]


logger = logging.getLogger(__name__)

LEAST_CHANCE = 0.3
"""That a prediction holds, with all before it: checking it takes a row, a tenth of a step."""
_FLOAT = np.dtype(np.float32)
_SMALL_PAGES_SECONDS = 1.0
"""From the start until weights come into large pages: the first steps, which make it warm, need all cores."""


class NativeForward:
    """Owns the cache and the kernel's threads, which begin with `start`; `block_size` is a multiple of LANES.

    A row's results have the same bits whatever is computed beside it. `hidden` [rows whose logits are wanted,
    hidden_size] float32, if a training has given it room: the last hidden states of the last step, normalised.
    """

    def __init__(self, parameters: Parameters, kernel: Kernel, sizes: Sizes, num_threads: int) -> None:
        config = parameters.config
        self.kernel = kernel
        self._num_threads = num_threads
        self._vocab_size = config.vocab_size
        self._parameters = parameters
        self._caches = [layer_cache(config, sizes) for _ in range(config.num_layers)]
        self._model = parameters.model(self._caches, sizes)
        self._logits = empty((0, self._model.head.num_outputs), _FLOAT)
        self._histories = Histories()
        self._engine: int | None = None
        self.hidden: Array | None = None

    def start(self) -> None:
        self._engine = self.kernel.functions.open(ctypes.byref(self._model), self._num_threads)
        # Not at exit: a process that dies may be in the middle of a step.
        weakref.finalize(self, self.kernel.functions.close, self._engine).atexit = False
        enlarging = threading.Timer(_SMALL_PAGES_SECONDS, _enlarge_pages, [weakref.ref(self._parameters)])
        enlarging.daemon = True
        enlarging.start()
        weakref.finalize(self, enlarging.cancel).atexit = False

    def kind(self, work: Work) -> int:
        return 0

    def __call__(self, layout: Layout) -> Computed:
        is_finite = self._run(layout, Samples())
        return Computed(self._logits[: len(layout.logits_indices), : self._vocab_size], is_finite)

    def sample(self, layout: Layout, wanted: Wanted) -> Sampled:
        rows = Rows(wanted, self._histories)
        is_finite = self._run(layout, rows.struct)
        return Sampled(rows.tokens(), is_finite, rows.predictions())

    def _run(self, layout: Layout, samples: Samples) -> list[bool]:
        num_rows, num_logits = len(layout.token_ids), len(layout.logits_indices)
        if len(self._logits) < num_logits:
            self._logits = empty((num_logits, self._model.head.num_outputs), _FLOAT)
        tables, block_tables = _tables(layout)
        positions = layout.positions, layout.text_positions
        columns = (layout.token_ids, *positions, tables, block_tables, layout.logits_indices)
        # Lighter than numpy's, as all of this is cold behind a step.
        arrays = [array("i", values) for values in columns]
        addresses = (values.buffer_info()[0] for values in arrays)
        is_finite = array("B", b"\1" * num_rows)
        results = self._logits.ctypes.data, is_finite.buffer_info()[0], address_of(self.hidden)
        step = Step(num_rows, num_logits, *addresses, *results)
        self.kernel.functions.run(self._engine, ctypes.byref(step), ctypes.byref(samples))
        return list(map(bool, is_finite))


def open_native(
    checkpoint: Checkpoint,
    sizes: Sizes,
    *,
    dtype: str = STORED,
    num_threads: int = 1,
    report: Callable[[float], None] = lambda share: None,
    fine_positions: int = FINE_POSITIONS,
    draft_head: DraftHead | None = None,
) -> NativeForward:
    """Compile the kernel, if need be, and pack the weights as `dtype`, see `pack`.

    Raises LibraryUnavailable, ModelError.
    """
    if sizes.block_size % LANES:
        raise LibraryUnavailable(f"block_size {sizes.block_size} is not a multiple of {LANES}")
    kernel = open_kernel(cache_folder() / "kernels")
    parameters = Parameters(
        checkpoint, dtype, sizes.max_context_tokens, report, kernel, fine_positions, num_threads, draft_head
    )
    name, megabytes = kernel.instruction_set, parameters.num_bytes // 10**6
    form = "native kernel for %s, %d threads, %d MB of weights, keys and values in %s"
    logger.info(form, name, num_threads, megabytes, sizes.cache_dtype)
    return NativeForward(parameters, kernel, sizes, num_threads)


def _enlarge_pages(reference: weakref.ref[Parameters]) -> None:
    """Enlarge the pages of parameters that are still there."""
    parameters = reference()
    if parameters is not None:
        parameters.enlarge_pages()


def _tables(layout: Layout) -> tuple[list[int], list[int]]:
    """Return, for each row, where its block table begins, and the tables one after another."""
    starts = [*range(len(layout.decodes)), *(start for _, start in layout.chunks), len(layout.token_ids)]
    works = [*layout.decodes, *(work for work, _ in layout.chunks)]
    tables: list[int] = []
    block_tables: list[int] = []
    for work, (start, stop) in zip(works, pairwise(starts), strict=True):
        tables.extend([len(block_tables)] * (stop - start))
        block_tables.extend(work.sequence.block_table)
    return tables, block_tables
