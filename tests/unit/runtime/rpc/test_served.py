"""What messages carry, counted for RPCs of both services; and what is kept of calls that have ended, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.rpc.routes import all_routes
from runtime.rpc.served import ServedCount, ServedLedger
from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2, served_pb2, timings_pb2
from tandem.gan.v1 import gan_pb2

TIMINGS = timings_pb2.Timings(queue_seconds=0.25, total_seconds=1.0)
IMAGE = images_pb2.ImageBatch(shape=[1, 2, 2, 1])


def served(rpc: str, *messages: object) -> served_pb2.Served:
    count = ServedCount(next(route for route in all_routes() if route.rpc == rpc))
    for message in messages:
        count.sent(message)
    return count.served("tiny", 2.0, 0.5)


def test_a_stream_of_tokens() -> None:
    messages = [ar_pb2.GenerateResponse(text_delta="x"), *(ar_pb2.GenerateResponse(token_ids=[1] * n) for n in (3, 2))]
    found = served("Generate", *messages, ar_pb2.GenerateResponse(token_ids=[4], timings=TIMINGS))
    assert (found.outputs, found.first_outputs, found.images) == (6, 3, 0)
    assert found.timings == TIMINGS
    assert (found.model, found.backend_seconds, found.arrival_wait_seconds) == ("tiny", 2.0, 0.5)


def test_the_prompt_is_counted_with_the_last_message_of_a_stream_and_with_a_whole_reply() -> None:
    usage = ar_pb2.Usage(prompt_tokens=9, cached_tokens=4, output_tokens=1)
    cut = served("Generate", ar_pb2.GenerateResponse(token_ids=[1]))
    streamed = served("Generate", ar_pb2.GenerateResponse(usage=usage, timings=TIMINGS))
    whole = served("Complete", ar_pb2.CompleteResponse(usage=usage, timings=TIMINGS))
    image = served("Sample", gan_pb2.SampleResponse(images=IMAGE, timings=TIMINGS))
    found = [(message.input_tokens, message.cached_tokens) for message in (cut, streamed, whole, image)]
    assert found == [(0, 0), (9, 4), (9, 4), (0, 0)]


def test_the_first_output_may_come_later_than_the_first_message() -> None:
    times = iter([1.0, 1.75])
    count = ServedCount(next(route for route in all_routes() if route.rpc == "Generate"), lambda: next(times))
    for fields in ({}, {"text_delta": "x"}, {"token_ids": [1]}, {"token_ids": [2]}):
        count.sent(ar_pb2.GenerateResponse(**fields))
    found = count.served("tiny", 2.0, 0.5)
    assert (found.first_output_delay_seconds, found.first_outputs, found.outputs) == (0.75, 1, 2)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_calls_without_an_id_and_with_a_monstrous_one_are_not_kept() -> None:
    ledger = ServedLedger()
    for request_id in ("", "x" * 129):
        ledger.keep(request_id, b"1")
    assert len(ledger) == 0


@given(
    ids=st.lists(st.integers(0, 30), max_size=80),
    steps=st.lists(st.floats(0.0, 30.0), min_size=80, max_size=80),
    max_entries=st.integers(1, 10),
)
def test_it_holds_the_last_calls_and_no_more(ids: list[int], steps: list[float], max_entries: int) -> None:
    clock, model = Clock(), {}
    ledger = ServedLedger(max_entries, 60.0, clock)
    for number, request_id in enumerate(ids):
        clock.now += steps[number]
        ledger.keep(str(request_id), b"%d" % number)
        model.pop(request_id, None)
        model[request_id] = (number, clock.now)
        assert len(ledger) <= max_entries
    kept = {key: number for key, (number, at) in list(model.items())[-max_entries:] if at > clock.now - 60.0}
    assert {key: ledger.take(str(key)) for key in range(31)} == {
        key: b"%d" % kept[key] if key in kept else None for key in range(31)
    }
