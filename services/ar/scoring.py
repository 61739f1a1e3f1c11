"""A Score call: token sequences through the engine, likelihoods out."""

import math

from runtime.rpc import Call
from services.ar.engine import Engine
from services.ar.generation import logprob_message
from services.ar.request_stream import RequestStream
from services.ar.sampling_params import SamplingParams
from services.ar.sequence import SampledToken, Sequence
from services.ar.sequential_model import Codec
from tandem.ar.v1 import ar_pb2

_PARAMS = SamplingParams(logprobs=True)


class Scoring:
    """Runs all sequences of one request; `streams` holds the times.

    They go in slices of what runs at a time, so that a large request leaves the queue to others. A queue that is full
    or too slow refuses a request at its beginning, not in its middle. What is computed may serve later requests of the
    same caller.
    """

    def __init__(self, engine: Engine, token_lists: list[list[int]], call: Call) -> None:
        self._engine = engine
        self._token_lists = token_lists
        self._deadline = call.deadline
        self._owner = call.owner
        self._cache_salt = call.caller.encode()
        self.streams: list[RequestStream] = []

    async def run(self) -> list[list[SampledToken]]:
        """Return, for each sequence, all of its tokens but the first, with log-probabilities."""
        scored: list[list[SampledToken]] = []
        for start in range(0, len(self._token_lists), self._engine.max_num_sequences):
            scored += await self._slice(self._token_lists[start : start + self._engine.max_num_sequences])
        return scored

    async def _slice(self, token_lists: list[list[int]]) -> list[list[SampledToken]]:
        sequences = [self._sequence(number, token_ids) for number, token_ids in enumerate(token_lists)]
        if self.streams:
            await self._engine.wait_for_room(self._owner, len(sequences))
        scored: list[list[SampledToken]] = [[] for _ in sequences]
        with self._engine.running(sequences, None if self.streams else self._deadline) as stream:
            self.streams.append(stream)
            while not stream.is_finished:
                for output in await stream.get():
                    scored[output.choice_index].extend(output.tokens)
        return scored

    def _sequence(self, number: int, token_ids: list[int]) -> Sequence:
        return Sequence(
            token_ids,
            _PARAMS,
            choice_index=number,
            is_scored=True,
            caller=self._owner,
            cache_salt=self._cache_salt,
        )


def likelihood_messages(scored: list[list[SampledToken]], codec: Codec) -> list[ar_pb2.Likelihood]:
    """Return the likelihood of each sequence."""
    return [_likelihood(tokens, codec) for tokens in scored]


def _likelihood(tokens: list[SampledToken], codec: Codec) -> ar_pb2.Likelihood:
    total = math.fsum(token.logprob or 0.0 for token in tokens)
    return ar_pb2.Likelihood(
        total_logprob=total,
        tokens=[logprob_message(token, codec) for token in tokens],
        bits_per_token=-total / math.log(2) / len(tokens),
    )
