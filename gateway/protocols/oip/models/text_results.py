"""From generated messages to the output tensors of a text model: an element for each choice."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from gateway.protocols.oip.tensors.datatype import BYTES, FP32, UINT32
from gateway.protocols.oip.tensors.outputs import InferenceResult, Output
from gateway.protocols.oip.tensors.spec import Spec
from tandem.ar.v1 import ar_pb2

TEXT = Spec("text_output", BYTES, (-1,))
FINISH_REASON = Spec("finish_reason", BYTES, (-1,))
CUMULATIVE_LOGPROB = Spec("cumulative_logprob", FP32, (-1,))
LOGPROBS = Spec("logprobs", BYTES, (-1,))
NUM_INPUT_TOKENS = Spec("num_input_tokens", UINT32, (1,))
NUM_OUTPUT_TOKENS = Spec("num_output_tokens", UINT32, (-1,))
OUTPUTS = (TEXT, FINISH_REASON, CUMULATIVE_LOGPROB, LOGPROBS, NUM_INPUT_TOKENS, NUM_OUTPUT_TOKENS)

_REASONS = {
    ar_pb2.FINISH_REASON_UNSPECIFIED: b"None",  # as vLLM's backend writes it of a choice that goes on
    ar_pb2.FINISH_REASON_STOP: b"stop",
    ar_pb2.FINISH_REASON_LENGTH: b"length",
}
_NOTHING = ar_pb2.GenerateResponse()


class Wanted(NamedTuple):
    """The outputs besides the text, by name, and what is put before the text of each choice."""

    outputs: Collection[str]
    prefix: bytes


class TextResults:
    """Of one request with `num_choices`; knows what has gone out of each of them."""

    def __init__(self, wanted: Wanted, num_choices: int) -> None:
        self._wanted = wanted
        self._num_choices = num_choices  # as asked for: the backend has yet to say whether it may be so many
        self._begun: set[int] = set()
        self._logprobs: dict[int, float] = defaultdict(float)

    def of_reply(self, replies: Sequence[Any]) -> InferenceResult:
        """Return the result with all of a request's text."""
        [reply] = replies
        return self._result(reply.choices, reply.usage)

    def of_message(self, replies: Sequence[Any]) -> InferenceResult | None:
        """Return what a message of a stream brings: the texts of the other choices are empty. None if it is nothing."""
        [message] = replies
        usage = message.usage if message.HasField("usage") else None
        if not (message.token_ids or message.text_delta or message.finish_reason or usage):
            return None
        choices = [_NOTHING] * self._num_choices
        choices[message.choice_index] = message
        return self._result(choices, usage)

    def _result(self, choices: Sequence[Any], usage: Any) -> InferenceResult:
        outputs = [Output.of(TEXT, [self._text(index, choice) for index, choice in enumerate(choices)])]
        wanted = self._wanted.outputs
        if "finish_reason" in wanted:
            outputs.append(Output.of(FINISH_REASON, [_REASONS[choice.finish_reason] for choice in choices]))
        if "cumulative_logprob" in wanted:
            sums = [self._sum(index, choice) for index, choice in enumerate(choices)]
            outputs.append(Output.of(CUMULATIVE_LOGPROB, sums))
        if "logprobs" in wanted:
            outputs.append(Output.of(LOGPROBS, [_logprobs(choice) for choice in choices]))
        if "num_input_tokens" in wanted and usage:
            outputs.append(Output.of(NUM_INPUT_TOKENS, [usage.prompt_tokens]))
        if "num_output_tokens" in wanted:
            outputs.append(Output.of(NUM_OUTPUT_TOKENS, [len(choice.token_ids) for choice in choices]))
        return InferenceResult(outputs, usage is not None, usage_parameters(usage) if usage else {})

    def _text(self, index: int, choice: Any) -> bytes:
        text: bytes = choice.text_delta.encode()
        if choice is _NOTHING or index in self._begun:
            return text
        self._begun.add(index)
        return self._wanted.prefix + text

    def _sum(self, index: int, choice: Any) -> float:
        self._logprobs[index] += sum(token.logprob for token in choice.logprobs)
        return self._logprobs[index]


def usage_parameters(usage: Any) -> dict[str, str | int]:
    """Return what a caller needs to get the same output again."""
    return {"seed": usage.seed, "fingerprint": usage.fingerprint}


def _logprobs(choice: Any) -> bytes:
    return json.dumps([_token(each) for each in choice.logprobs]).encode()


def _token(token: Any) -> dict[int, dict[str, Any]]:
    """Return the token and its alternatives by id; `rank` is 1 for the most probable, null below the alternatives."""
    ranked = {other.token_id: _entry(other, rank) for rank, other in enumerate(token.alternatives, 1)}
    return {token.token_id: _entry(token, None), **ranked}


def _entry(token: Any, rank: int | None) -> dict[str, Any]:
    return {"logprob": token.logprob, "rank": rank, "decoded_token": token.token.decode("utf-8", "replace")}
