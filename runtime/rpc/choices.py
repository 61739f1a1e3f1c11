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
        reply.choices.append(choice)
    return reply
