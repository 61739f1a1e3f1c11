"""A text model in tensors, by the names of Triton's vLLM backend: an element of each output for each choice.

One difference from that backend: without `exclude_input_in_output` the prompt is left out of the output everywhere, so
that a text is the same through every protocol.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from gateway.protocols.oip.models.adapter import Calls
from gateway.protocols.oip.models.sampling_parameters import FIELD
from gateway.protocols.oip.models.sequential import SequentialModel, usage_parameters
from gateway.protocols.oip.tensors import BOOL, BYTES, FP32, UINT32, Inputs, Spec, new_reply, vector
from tandem.ar.v1 import ar_pb2
from tandem.oip.grpc_service_pb2 import ModelInferResponse
from tandem.shared.errors import InvalidArgument

TEXT = Spec("text_output", BYTES, (-1,))
_RETURNED = (
    Spec("finish_reason", BYTES, (-1,)),
    Spec("cumulative_logprob", FP32, (-1,)),
    Spec("logprobs", BYTES, (-1,)),
    Spec("num_input_tokens", UINT32, (1,)),
    Spec("num_output_tokens", UINT32, (-1,)),
)
"""Outputs that a request asks for, by their names or by the input return_NAME."""
_FLAGS = ("stream", "exclude_input_in_output", *(f"return_{spec.name}" for spec in _RETURNED))

_REASONS = {
    ar_pb2.FINISH_REASON_UNSPECIFIED: b"None",  # as vLLM's backend writes it of a choice that goes on
    ar_pb2.FINISH_REASON_STOP: b"stop",
    ar_pb2.FINISH_REASON_LENGTH: b"length",
}
_NOTHING = ar_pb2.GenerateResponse()


class TextModel(SequentialModel):
    """A model of texts."""

    platform = "tandem_text"
    inputs = (
        Spec("text_input", BYTES, (1,)),
        Spec(FIELD, BYTES, (1,), is_optional=True),
        *(Spec(name, BOOL, (1,), is_optional=True) for name in _FLAGS),
    )
    outputs = (TEXT, *_RETURNED)
    fields = {"sampling": FIELD, "top_logprobs": f"{FIELD}.logprobs", "text": "text_input"}

    def calls(self, inputs: Inputs, wanted: Collection[str], parameters: Mapping[str, Any], is_streamed: bool) -> Calls:
        request = self._request(inputs, parameters, text=_text(inputs))
        names = [spec.name for spec in _RETURNED]
        returned = {name for name in names if _flag(inputs, f"return_{name}") or name in wanted}
        request.logprobs |= bool(returned & {"logprobs", "cumulative_logprob"})
        prefix = b"" if _flag(inputs, "exclude_input_in_output", True) else request.text.encode()
        replies = _Replies(returned, prefix, request.sampling.n or 1)
        return self._calls(request, is_streamed and _flag(inputs, "stream"), replies.of_message, replies.of_reply)


def _text(inputs: Inputs) -> str:
    try:
        raw: bytes = inputs["text_input"].values[0]
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidArgument("text_input", raw[:40], "text in UTF-8") from None


def _flag(inputs: Inputs, name: str, default: bool = False) -> bool:
    return bool(inputs[name].values[0]) if name in inputs else default


class _Replies:
    """Of one request: knows what has gone out of each of its choices.

    `returned` are the outputs besides the text, by name; `prefix` is put before the text of each choice.
    `num_choices` is the number asked for, which the backend may still refuse.
    """

    def __init__(self, returned: Collection[str], prefix: bytes, num_choices: int) -> None:
        self._returned = returned
        self._prefix = prefix
        self._num_choices = num_choices
        self._begun: set[int] = set()
        self._sums: dict[int, float] = defaultdict(float)

    def of_reply(self, reply: Any) -> ModelInferResponse:
        """Return the reply with all of a request's text."""
        return self._reply(reply.choices, reply.usage)

    def of_message(self, message: Any) -> ModelInferResponse | None:
        """Return what a message of a stream brings: the texts of the other choices are empty. None if it is nothing."""
        usage = message.usage if message.HasField("usage") else None
        if not (message.token_ids or message.text_delta or message.finish_reason or usage):
            return None
        choices = [_NOTHING] * self._num_choices
        choices[message.choice_index] = message
        return self._reply(choices, usage)

    def _reply(self, choices: Sequence[Any], usage: Any) -> ModelInferResponse:
        values: Mapping[str, Callable[[], Sequence[Any]]] = {
            "finish_reason": lambda: [_REASONS[choice.finish_reason] for choice in choices],
            "cumulative_logprob": lambda: [self._sum(index, choice) for index, choice in enumerate(choices)],
            "logprobs": lambda: [_logprobs(choice) for choice in choices],
            "num_input_tokens": lambda: [usage.prompt_tokens],
            "num_output_tokens": lambda: [len(choice.token_ids) for choice in choices],
        }
        outputs = [vector(TEXT, [self._text(index, choice) for index, choice in enumerate(choices)])]
        for spec in _RETURNED:
            if spec.name in self._returned and (usage or spec.name != "num_input_tokens"):
                outputs.append(vector(spec, values[spec.name]()))
        return new_reply(outputs, **usage_parameters(usage))

    def _text(self, index: int, choice: Any) -> bytes:
        text: bytes = choice.text_delta.encode()
        if choice is _NOTHING or index in self._begun:
            return text
        self._begun.add(index)
        return self._prefix + text

    def _sum(self, index: int, choice: Any) -> float:
        self._sums[index] += sum(token.logprob for token in choice.logprobs)
        return self._sums[index]


def _logprobs(choice: Any) -> bytes:
    return json.dumps([_token(token) for token in choice.logprobs]).encode()


def _token(token: Any) -> dict[int, dict[str, Any]]:
    """Return the token and its alternatives by id; `rank` is 1 for the most probable, null below the alternatives."""
    ranked = {other.token_id: _entry(other, rank) for rank, other in enumerate(token.alternatives, 1)}
    return {token.token_id: _entry(token, None), **ranked}


def _entry(token: Any, rank: int | None) -> dict[str, Any]:
    return {"logprob": token.logprob, "rank": rank, "decoded_token": token.token.decode("utf-8", "replace")}
