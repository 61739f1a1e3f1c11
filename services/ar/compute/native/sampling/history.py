"""What the kernel keeps of one sequence from step to step: its sampling parameters, and its tokens where they count."""

import ctypes
from array import array
from weakref import WeakKeyDictionary

from services.ar.compute.native.sampling.structs import Sampling
from services.ar.engine.sequence import Sequence


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
