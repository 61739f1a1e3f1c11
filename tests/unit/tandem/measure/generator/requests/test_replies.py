"""Replies that were kept: bytes through a process's pipe and back, and what they carry."""

from tandem.ar.v1 import ar_pb2
from tandem.common.v1 import images_pb2
from tandem.gan.v1 import gan_pb2
from tandem.measure.generator.requests.replies import images_by_number, tokens_by_number
from tandem.measure.results.record import Outcome, Record, merge
from tests.unit.tandem.measure.records import USE, Recorder, row


def image(value: int) -> images_pb2.ImageBatch:
    return images_pb2.ImageBatch(shape=[1, 2, 2, 1], encoding=images_pb2.ENCODING_RAW_UINT8, data=bytes([value] * 4))


def drawn(number: int, value: int) -> list[tuple[int, bytes]]:
    """Return the messages of a streamed image: a token each, then the end with the image."""
    messages = [ar_pb2.GenerateResponse(token_ids=[token]) for token in (7, 8)]
    end = ar_pb2.GenerateResponse(finish_reason=ar_pb2.FINISH_REASON_LENGTH, image=image(value))
    return [(number, message.SerializeToString()) for message in (*messages, end)]


def record(*rows: tuple[int, int, list[tuple[int, bytes]]]) -> Record:
    recorder = Recorder(2)
    for number, workload, replies in rows:
        recorder.ended(row(number, 0.0, 0.1, Outcome.OK, workload=workload), (), replies)
    return recorder.record(USE)


def test_images_come_back_by_number_whatever_their_way_and_process():
    sample = gan_pb2.SampleResponse(images=image(5)).SerializeToString()
    parts = [record((2, 1, [(2, sample)])), record((1, 0, drawn(1, 3)))]
    whole = merge([Record.from_bytes(part.to_bytes()) for part in parts])
    found = images_by_number(whole, ["Generate", "Sample"])
    assert {number: int(pixels[0, 0, 0]) for number, pixels in found.items()} == {1: 3, 2: 5}
    assert found[1].shape == (2, 2, 1)


def test_tokens_of_a_stream_are_joined_in_order():
    whole = merge([record((4, 0, drawn(4, 0))), record((3, 0, drawn(3, 0)[:1]))])
    found = tokens_by_number(whole, ["Generate", "Complete"])
    assert list(found.items()) == [(3, [7]), (4, [7, 8])]
