"""Replies with log-probabilities, which may be large, are made and written out in a thread; all others at once."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.protocols.catalogue import Served
from gateway.protocols.openai.messages import Reply
from gateway.protocols.openai.text.chat import ChatBody, chat
from gateway.protocols.openai.text.completion import CompletionBody, complete
from runtime.rpc.routes import SEQUENTIAL
from tandem.ar.v1 import ar_pb2

MODEL = Served(SEQUENTIAL, ar_pb2.Model(name="m", modality="text"))
CATALOGUE: Any = SimpleNamespace(text=lambda _: MODEL, fingerprint=lambda _: "f")
CHAT = (chat, ChatBody, {"messages": [{"role": "user", "content": 'a "choices":[] b'}]}, {"logprobs": True})
COMPLETION = (complete, CompletionBody, {"prompt": "a"}, {"logprobs": 2})


class Backend:
    """Answers with two choices of two tokens each."""

    catalogue: Any = CATALOGUE

    async def whole(self, request: ar_pb2.GenerateRequest, names: object) -> ar_pb2.CompleteResponse:
        entry = ar_pb2.TokenLogprob(token_id=5, logprob=-1.0, token=b"x")
        entry.alternatives.add(token_id=6, logprob=-0.5, token=b"y")
        choices = [
            ar_pb2.GenerateResponse(
                choice_index=index,
                text_delta='"choices":[]',
                token_ids=[5, 5],
                finish_reason=ar_pb2.FINISH_REASON_STOP,
                logprobs=[entry, entry] if request.logprobs else [],
            )
            for index in range(2)
        ]
        return ar_pb2.CompleteResponse(choices=choices, usage=ar_pb2.Usage(fingerprint='"choices":[]'))


@pytest.mark.parametrize(("operation", "body_class", "fields", "logprobs"), [CHAT, COMPLETION])
async def test_log_probabilities_are_written_out_in_a_thread(
    operation: Any, body_class: Any, fields: Any, logprobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, to_json = set[int](), Reply.to_json

    def noted(reply: Reply) -> bytes:
        threads.add(threading.get_ident())
        return to_json(reply)

    monkeypatch.setattr(Reply, "to_json", noted)
    found = json.loads(await operation(body_class.parse(json.dumps({**fields, **logprobs}).encode()), Backend()))
    assert threads
    assert threading.get_ident() not in threads
    assert found["system_fingerprint"] == '"choices":[]'
    assert [choice["index"] for choice in found["choices"]] == [0, 1]
    for choice in found["choices"]:
        assert len(choice["logprobs"].get("content") or choice["logprobs"]["tokens"]) == 2
