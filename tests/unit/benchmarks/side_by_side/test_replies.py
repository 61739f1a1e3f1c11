import asyncio

import pytest

from benchmarks.side_by_side.replies import Reply, WrongOutput, together
from tests.unit.benchmarks.side_by_side.scripted import ScriptedConnection, asker


async def test_prompts_go_out_one_by_one_and_replies_keep_their_order():
    connection = ScriptedConnection(tokens_at_once=2)
    replies = await asker(connection).ask([[10], [20], [30]], 3)
    assert [reply.ids for reply in replies] == [[11, 12, 13], [21, 22, 23], [31, 32, 33]]
    assert connection.requests == [[[10]], [[20]], [[30]]]
    assert [len(reply.times) for reply in replies] == [2, 2, 2]  # a message counts once, however many tokens it has


async def test_an_engine_of_static_batches_gets_all_prompts_in_one_request():
    connection = ScriptedConnection()
    replies = await asker(connection, is_static_batch=True).ask([[10], [20]], 2)
    assert [reply.ids for reply in replies] == [[11, 12], [21, 22]]
    assert connection.requests == [[[10], [20]]]


async def test_a_reply_of_another_length_is_refused():
    with pytest.raises(WrongOutput, match="7 tokens where 8 were asked for"):
        await asker(ScriptedConnection(missing=1)).ask([[1]], 8)


def test_first_token_and_gaps():
    reply = Reply(sent=1.0, times=[1.5, 1.75, 2.75])
    assert reply.first_seconds == 0.5
    assert reply.gaps == [0.25, 1.0]


async def test_when_one_request_fails_the_others_have_ended_before_the_failure_is_seen():
    ended = []

    async def fails():
        raise WrongOutput("no")

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(WrongOutput):
        await together([waits(), fails()])
    assert ended == [True]
