"""The server of known laws: as foreign clients see it, and what it records."""

from __future__ import annotations

import socket
from collections.abc import Callable

import numpy as np
import openai
import pytest

from tandem.client import TandemClient
from tandem.measure.scenario import ClosedLoop, Scenario, Workload
from tandem.measure.truth.findings import truth_of
from tandem.measure.truth.native.build import Ending
from tandem.measure.truth.server import TruthServer
from tests.integration.single_runs import run_once

Start = Callable[..., TruthServer]
USAGE = {"include_usage": True}


@pytest.mark.parametrize("is_chat", [False, True])
def test_openais_own_client_understands_it(known_times: Start, is_chat: bool) -> None:
    server = known_times(first="0.02", gap="0.01")
    with openai.OpenAI(base_url=f"http://{server.address}/v1", api_key="any", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["truth"]
        if is_chat:
            ask = client.chat.completions.create
            given = {
                "model": "any",
                "messages": [{"role": "user", "content": 'four "quoted" words here'}],
                "max_tokens": 5,
            }
        else:
            ask, given = (
                client.completions.create,
                {"model": "any", "prompt": 'four "quoted" words here', "max_tokens": 5},
            )
        whole = ask(**given)
        events = list(ask(**given, stream=True, stream_options=USAGE))
        assert not any(event.usage for event in ask(**given, stream=True))
    said = whole.choices[0].message.content if is_chat else whole.choices[0].text
    pieces = [(c.delta.content if is_chat else c.text) for event in events for c in event.choices]
    assert said == " x" * 5
    assert [piece for piece in pieces if piece] == [" x"] * 5
    for usage in (whole.usage, events[-1].usage):
        assert (usage.prompt_tokens, usage.completion_tokens) == (4, 5)
    record = server.record()
    assert record.requests["num_messages"].tolist() == [1, 5, 5]
    for row, planned in zip(record.requests, (0.06, 0.02, 0.02), strict=True):
        assert row["due"] - row["arrived"] == pytest.approx(planned)
        assert row["due"] <= row["first"] <= row["ended"]
    assert np.all(np.diff(record.messages["at"]) > 0)


def test_own_client_understands_it(known_times: Start) -> None:
    with TandemClient(known_times(first="0", gap="0").address) as client:
        assert [model.name for model in client.list_sequential_models()] == ["truth"]
        with client.generate("hello", max_tokens=3) as texts:
            assert [token for each in texts for token in each.token_ids] == [1, 1, 1]


async def test_so_many_fail_and_those_cut_off_are_counted(known_times: Start) -> None:
    server = known_times(first="0.001", gap="0.001", errors=0.2)
    for api, code in (("tandem", "UNAVAILABLE"), ("openai", "UNAVAILABLE")):
        workload = Workload(kind="text", delivery="streamed", api=api)  # type: ignore[arg-type]
        scenario = Scenario(
            workloads=(workload,), load=ClosedLoop(concurrency=20), num_requests=500, warm_up_seconds=0.0
        )
        (stream,) = (await run_once(server.address, scenario)).document.streams
        assert stream.codes[code] == stream.outcomes.error
        assert stream.outcomes.ok + stream.outcomes.error == 500
    with socket.create_connection(tuple(server.address.split(":"))) as connection:  # a request that nobody waits for
        body = b'{"stream": true, "max_tokens": 9999}'
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        connection.recv(100)
    record = server.record()
    truth = truth_of(record)
    assert truth.num_failed == 200  # the table's share, of each 1,000
    assert truth.num_requests == 1001
    assert record.requests["ending"][-1] in (Ending.CANCELLED, Ending.UNFINISHED)
    assert truth.max_concurrency <= 21
