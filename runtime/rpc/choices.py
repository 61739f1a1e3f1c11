"""The messages of a Generate stream as the one that Complete answers with."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.ar.v1 import ar_pb2


def join_messages(messages: Iterable[ar_pb2.GenerateResponse]) -> ar_pb2.CompleteResponse:
    """Return the messages of a finished stream as one."""
    reply = ar_pb2.CompleteResponse()
    texts: dict[int, list[str]] = {}
    choices: dict[int, ar_pb2.GenerateResponse] = {}
    for message in messages:
        choices.setdefault(message.choice_index, ar_pb2.GenerateResponse()).MergeFrom(message)
        texts.setdefault(message.choice_index, []).append(message.text_delta)
        if message.HasField("usage"):
            reply.usage.CopyFrom(message.usage)
        if message.HasField("timings"):
            reply.timings.CopyFrom(message.timings)
    for index, choice in sorted(choices.items()):
        choice.text_delta = "".join(texts[index])
        choice.ClearField("usage")
        choice.ClearField("timings")
        calls = _whole_calls(choice.tool_calls)
        choice.ClearField("tool_calls")
        choice.tool_calls.extend(calls)
        reply.choices.append(choice)
    return reply


def _whole_calls(parts: Iterable[ar_pb2.ToolCall]) -> list[ar_pb2.ToolCall]:
    """Return calls of functions put together; a part without an id goes on with the call before it."""
    calls: list[list[ar_pb2.ToolCall]] = []
    for part in parts:
        if part.id:
            calls.append([])
        calls[-1].append(part)
    return [
        ar_pb2.ToolCall(id=call[0].id, name=call[0].name, arguments="".join(part.arguments for part in call))
        for call in calls
    ]
