"""A Score call: token sequences through the engine, likelihoods out."""

import math

from runtime.rpc.call import Call
from services.ar.api.generation import logprob_message
from services.ar.api.sequential_model import Codec, SequentialModel
from services.ar.api.validation import check_steps
from services.ar.engine.request_stream import RequestStream
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from tandem.ar.v1 import ar_pb2


async def score(
    model: SequentialModel, token_lists: list[list[int]], steps: int | None, top_logprobs: int, call: Call
) -> tuple[list[list[SampledToken]], list[RequestStream]]:
    """Return, for each sequence, all of its tokens but the first, with log-probabilities; and the streams they came in.

    They go in slices of what runs at a time, so that a large request leaves the queue to others. A queue that is full
    or too slow refuses a request at its beginning, not in its middle. What is computed may serve later requests of the
    same caller. With each token come its `top_logprobs` best alternatives. A model that takes steps scores the tokens
    as `steps` steps generate them, None: as many as there are tokens. Raises InvalidArgument for other numbers.
    """
    if steps is not None:
        check_steps("steps", steps, min(map(len, token_lists)) - 1, model.takes_steps)
    params = SamplingParams(logprobs=True, top_logprobs=top_logprobs)
    sequences = [
        model.sequence(ids, params, len(ids) - 1, steps or 0, call, is_scored=True, is_streamed=False)
        for ids in token_lists
    ]
    scored: dict[Sequence, list[SampledToken]] = {sequence: [] for sequence in sequences}
    streams: list[RequestStream] = []
    for start in range(0, len(sequences), model.engine.max_num_sequences):
        part = sequences[start : start + model.engine.max_num_sequences]
        if streams:
            await model.engine.wait_for_room(call.owner, len(part))
        with model.engine.running(part, None if streams else call.deadline) as stream:
            streams.append(stream)
            while not stream.is_finished:
                for output in await stream.get():
                    scored[output.sequence].extend(output.tokens)
    return list(scored.values()), streams


def likelihood_message(tokens: list[SampledToken], codec: Codec) -> ar_pb2.Likelihood:
    """Return the likelihood of a sequence."""
    total = math.fsum(token.logprob or 0.0 for token in tokens)
    return ar_pb2.Likelihood(
        total_logprob=total,
        tokens=[logprob_message(token, codec) for token in tokens],
        bits_per_token=-total / math.log(2) / len(tokens),
    )
