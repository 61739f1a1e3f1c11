"""A Score call: token sequences through the engine, likelihoods out."""

import math

from runtime.rpc.call import Call
from services.ar.api.generation import logprob_message
from services.ar.api.sequential_model import SequentialModel
from services.ar.api.validation import check_steps
from services.ar.codecs.codec import Codec
from services.ar.engine.request_stream import RequestStream
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from tandem.ar.v1 import ar_pb2


class Scoring:
    """Runs all sequences of one request; `streams` holds the times.

    They go in slices of what runs at a time, so that a large request leaves the queue to others. A queue that is full
    or too slow refuses a request at its beginning, not in its middle. What is computed may serve later requests of the
    same caller. With each token come its `top_logprobs` best alternatives. A model that takes steps scores the tokens
    as `steps` steps generate them, None: as many as there are tokens. Raises InvalidArgument for other numbers.
    """

    def __init__(
        self, model: SequentialModel, token_lists: list[list[int]], steps: int | None, top_logprobs: int, call: Call
    ) -> None:
        if steps is not None:
            check_steps("steps", steps, min(map(len, token_lists)) - 1, model.takes_steps)
        self._model = model
        self._engine = model.engine
        self._steps = steps
        self._params = SamplingParams(logprobs=True, top_logprobs=top_logprobs)
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
        num_scored = len(token_ids) - 1
        return Sequence(
            token_ids,
            self._params,
            choice_index=number,
            is_scored=True,
            is_streamed=False,
            caller=self._owner,
            cache_salt=self._cache_salt,
            mask_token_id=self._model.modality.mask_token,
            groups=self._model.groups(1, num_scored, self._steps or num_scored),
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
