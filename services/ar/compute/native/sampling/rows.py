"""A step's rows laid out for the kernel's sampler, and the tokens that it chose for them."""

import ctypes
from array import array
from typing import Any
from weakref import WeakKeyDictionary

from services.ar.compute.native.headers import headers
from services.ar.compute.runner import Wanted, allowed_bits
from services.ar.engine.sequence import Alternative, SampledToken, Sequence
from services.ar.engine.step import LogitsRow


class History:
    """A sequence as the kernel sees it; lasts as long as the sequence does.

    `address` is that of its `Sampling`. `tokens` follows the sequence's tokens as they come, so that a step costs the
    same at any length; a sequence without penalties leaves it empty.
    """

    def __init__(self, sequence: Sequence) -> None:
        params = sequence.params
        self._bias_ids = array("i", params.logit_bias.keys())
        self._biases = array("f", params.logit_bias.values())
        self._sampling = headers.Sampling(
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
        self._rows = (headers.Row * num_rows)()
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
        self.struct = headers.Samples(
            num_rows, wanted.num_output_tokens, self._columns, ctypes.addressof(self._rows), *addresses
        )

    def tokens(self) -> list[SampledToken]:
        """Return the token of each row, with the details that its request asks for; -1 for a row that is not finite."""
        tokens = map(SampledToken, self._token_ids)
        return [
            self._reported(place) if row.params.logprobs else token
            for place, (row, token) in enumerate(zip(self._wanted, tokens, strict=True))
        ]

    def _reported(self, place: int) -> SampledToken:
        first = place * self._columns
        found = slice(first, first + self._wanted[place].params.top_logprobs)
        alternatives = map(Alternative, self._alternative_ids[found], self._alternative_logprobs[found])
        return SampledToken(self._token_ids[place], self._logprobs[place], tuple(alternatives))

    def _fill(self, row: Any, history: History, wanted: LogitsRow, place: int, num_tokens: int) -> None:
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
        self._held.append(bits)
        return bits.ctypes.data
