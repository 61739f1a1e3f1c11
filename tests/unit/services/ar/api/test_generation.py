"""The messages of a stream: made in pieces where much is ready, and put together into one reply."""

import asyncio
from types import SimpleNamespace

import pytest

from runtime.rpc.choices import join_messages
from services.ar.api.generation import Generation
from services.ar.api.reply_size import TokenSizes
from services.ar.engine.request_stream import RequestStream
from services.ar.engine.sequence import FinishReason, SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Progress
from tandem.ar.v1 import ar_pb2

LENGTH = ar_pb2.FINISH_REASON_LENGTH


class Letters:
    """A codec whose token n is the n-th letter."""

    def decoder(self, prompt_token_ids):
        return SimpleNamespace(feed=lambda token_id: chr(token_id))

    def token_bytes(self, token_id):
        return chr(token_id).encode()


def generation_of(num_choices: int, tokens_per_output: list[int], reports_drafts: bool = False) -> Generation:
    """Return a generation of which all is ready: each choice has outputs of so many tokens."""
    params = SamplingParams(max_tokens=sum(tokens_per_output), n=num_choices, logprobs=True)
    stream = RequestStream([Sequence([65], params, choice_index=index) for index in range(num_choices)])
    for number, count in enumerate(tokens_per_output, 1):
        for sequence in stream.sequences:
            sequence.scheduled_at = 1.0
            tokens = [SampledToken(97 + sequence.choice_index, -1.0)] * count
            reason = FinishReason.LENGTH if number == len(tokens_per_output) else None
            stream.put(Progress(sequence, tokens, reason, None, 1.0, 1.0))
    engine = SimpleNamespace(end=lambda sequence, outcome: None)
    sizes = TokenSizes.of([bytes([token_id]) for token_id in range(128)])
    model = SimpleNamespace(token_sizes=sizes, codec=Letters(), engine=engine, fingerprint="x")
    call = SimpleNamespace(started_at=1.0, received_at=1.0)
    return Generation(model, stream, params, None, call, reports_drafts)


@pytest.mark.parametrize("tokens_per_output", [[1] * 1000, [64] * 16, [200] * 5])
async def test_what_has_gathered_for_a_slow_reader_is_made_in_pieces_and_others_have_their_turns(tokens_per_output):
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await asyncio.sleep(0)
    made = [(message, turns) async for message in generation_of(3, tokens_per_output).messages()]
    counting.cancel()
    messages = [message for message, _ in made]
    num_tokens = sum(tokens_per_output)
    assert all(len(message.token_ids) <= max(64, *tokens_per_output) for message in messages)
    seen = [turns for _, turns in made]
    assert all(later - before >= 1 for before, later in zip(seen, seen[2:], strict=False))
    assert [message.HasField("timings") for message in messages] == [False] * (len(messages) - 1) + [True]
    reply = join_messages(messages)
    assert [choice.text_delta for choice in reply.choices] == [letter * num_tokens for letter in "abc"]
    assert reply.usage.output_tokens == 3 * num_tokens


async def test_what_has_gathered_for_a_slow_reader_keeps_to_the_size_of_a_message(monkeypatch):
    monkeypatch.setattr("services.ar.api.reply_size.MAX_MESSAGE_BYTES", 500)
    messages = [message async for message in generation_of(2, [1] * 200).messages()]
    assert sum(len(message.token_ids) for message in messages) == 2 * 200
    assert max(message.ByteSize() for message in messages) <= 500


async def test_each_step_has_its_own_message_where_drafts_are_reported():
    messages = [message async for message in generation_of(1, [1, 3, 2], reports_drafts=True).messages()]
    assert [len(message.token_ids) for message in messages] == [1, 3, 2]


async def test_a_few_tokens_of_a_step_are_made_at_once():
    generation = generation_of(16, [1])
    messages = generation.messages()
    assert [(await anext(messages)).choice_index for _ in range(16)] == list(range(16))
    with pytest.raises(StopAsyncIteration):
        await anext(messages)
