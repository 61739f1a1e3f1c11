"""Server-sent events, in pieces."""

from tandem.measure.generator.sending.http.connection import Events

RAW = b'data: {"a": 1}\n\n: a comment\n\nevent: error\r\ndata:x\r\ndata: y\r\n\r\ndata: [DONE]\n\ndata: torn'


def test_pieces_of_any_size_come_to_the_same_events() -> None:
    for size in (1, 2, 3, 7, len(RAW)):
        events, found = Events(), []
        for begin in range(0, len(RAW), size):
            found += events.feed(RAW[begin : begin + size])
        assert found == [b'{"a": 1}', b"x\ny", b"[DONE]"]
