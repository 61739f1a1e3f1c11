"""The messages of a stream put together into one reply."""

from runtime.rpc.choices import join_messages
from tandem.ar.v1 import ar_pb2
from tandem.common.v1.timings_pb2 import Timings

LENGTH = ar_pb2.FINISH_REASON_LENGTH


def test_interleaved_choices_are_kept_apart_and_come_in_order():
    reply = join_messages(
        [
            ar_pb2.GenerateResponse(choice_index=1, text_delta="b", token_ids=[1]),
            ar_pb2.GenerateResponse(choice_index=0, text_delta="a", token_ids=[2]),
            ar_pb2.GenerateResponse(choice_index=1, text_delta="B", token_ids=[3], finish_reason=LENGTH),
            ar_pb2.GenerateResponse(
                finish_reason=LENGTH, usage=ar_pb2.Usage(output_tokens=3), timings=Timings(total_seconds=1)
            ),
        ]
    )
    assert reply == ar_pb2.CompleteResponse(
        choices=[
            ar_pb2.GenerateResponse(choice_index=0, text_delta="a", token_ids=[2], finish_reason=LENGTH),
            ar_pb2.GenerateResponse(choice_index=1, text_delta="bB", token_ids=[1, 3], finish_reason=LENGTH),
        ],
        usage=ar_pb2.Usage(output_tokens=3),
        timings=Timings(total_seconds=1),
    )


def test_parts_of_calls_are_put_together():
    parts = [("1", "a", '{"b"'), ("", "", ": 2}"), ("2", "c", ""), ("", "", "{}")]
    messages = [
        ar_pb2.GenerateResponse(tool_calls=[ar_pb2.ToolCall(id=id_, name=name, arguments=arguments)])
        for id_, name, arguments in parts
    ]
    [choice] = join_messages(messages).choices
    assert [(call.id, call.name, call.arguments) for call in choice.tool_calls] == [
        ("1", "a", '{"b": 2}'),
        ("2", "c", "{}"),
    ]
