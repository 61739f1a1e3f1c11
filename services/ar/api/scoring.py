"""A Score call: token sequences through the engine, likelihoods out."""

import dataclasses
import math

from runtime.rpc.call import Call
from services.ar.api.generation import logprob_message
from services.ar.api.sequential_model import Codec, SequentialModel
from services.ar.api.validation import check_steps, check_tokens_per_step
from services.ar.engine.request_stream import RequestStream
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from services.common.bounds import check_int
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


async def score(
    model: SequentialModel, token_lists: list[list[int]], request: ar_pb2.ScoreRequest, top_logprobs: int, call: Call
) -> tuple[list[list[SampledToken]], list[RequestStream]]:
    """Return, for each sequence, all tokens behind its context, with log-probabilities; and the streams they came in.

    They go in slices of what runs at a time, so that a large request leaves the queue to others. A queue that is full
    or too slow refuses a request at its beginning, not in its middle. What is computed may serve later requests of the
    same caller. With each token come its `top_logprobs` best alternatives. A model that takes steps scores the tokens
    as it generates them in as many steps, or as many a step, as the request says. Raises InvalidArgument.
    """
    shortest, longest = min(map(len, token_lists)), max(map(len, token_lists))
    num_context = max(1, check_int("context_tokens", request.context_tokens, 0, shortest - 1))
    most = model.window_tokens
    if most and longest - num_context > most:
        raise InvalidArgument("context_tokens", num_context, f"at least {longest - most}: an output has {most} tokens")
    params = SamplingParams(logprobs=True, top_logprobs=top_logprobs)
    if request.HasField("steps"):
        steps = check_steps("steps", request.steps, shortest - num_context, model.takes_steps)
        params = dataclasses.replace(params, steps=steps)
    if request.HasField("tokens_per_step"):
        count = check_tokens_per_step("tokens_per_step", request.tokens_per_step, model.most_tokens_per_step)
        params = dataclasses.replace(params, tokens_per_step=count)
    sequences = [
        model.sequence(ids, params, call, is_scored=True, is_streamed=False, num_context_tokens=num_context)
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
    return [each.groups.restored(tokens) if each.groups else tokens for each, tokens in scored.items()], streams


def likelihood_message(tokens: list[SampledToken], codec: Codec) -> ar_pb2.Likelihood:
    """Return the likelihood of a sequence."""
    total = math.fsum(token.logprob or 0.0 for token in tokens)
    return ar_pb2.Likelihood(
        total_logprob=total,
        tokens=[logprob_message(token, codec) for token in tokens],
        bits_per_token=-total / math.log(2) / len(tokens),
    )
