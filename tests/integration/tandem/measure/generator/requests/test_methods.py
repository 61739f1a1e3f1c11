"""`tandem bench run --method`: any method of a server that is no Tandem, by reflection or by a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from tandem.measure.generator.requests.methods import Method, reflect_method
from tandem.measure.results.files import read_as
from tandem.measure.results.load import Document
from tandem.shared.errors import ExpectedError
from tests.integration.tandem.cli.commands import Ended, run, tandem
from tests.integration.tandem.measure.generator.servers import serving

PROTO = Path(__file__).with_name("strangers.proto")


@pytest.fixture(scope="module")
def stranger():
    with serving("tests.integration.tandem.measure.generator.requests.stranger") as server:
        yield server.address


async def called(address: str, tmp_path: Path, method: str, data: object, *words: str) -> Ended:
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data))
    flags = ("--rate", "100", "--requests", "40", "--warm-up", "0", "--json", str(tmp_path / "run.json"))
    return await run(
        *tandem("bench", "run", "--method", method, "--data", str(file), *flags, *words, "--address", address)
    )


@pytest.mark.parametrize("words", [(), ("--proto", str(PROTO))])
async def test_requests_are_sent_in_turn_and_each_message_is_timed(stranger, tmp_path: Path, words) -> None:
    """The stranger answers with as many messages as it is asked for."""
    data = [{"count": 1}, {"count": 4}]
    ended = await called(stranger, tmp_path, "stranger.v1.Counter/Count", data, *words)
    document = read_as(tmp_path / "run.json", Document)
    (stream,) = document.streams
    assert (stream.outcomes.ok, stream.num_messages, stream.unit, stream.paradigm) == (40, 100, "message", None), (
        ended.err
    )
    assert stream.gap is not None
    assert stream.gap.seconds.count == 60
    assert "stranger.v1.Counter/Count streamed" in ended.out


async def test_a_unary_method_with_a_deadline(stranger, tmp_path: Path) -> None:
    await called(stranger, tmp_path, "stranger.v1.Counter/Wait,deadline=2", [{"count": 0}, {"count": 9}])
    (stream,) = read_as(tmp_path / "run.json", Document).streams
    assert (stream.outcomes.ok, stream.outcomes.deadline) == (20, 20)


def test_protobuf_s_own_types_may_be_written_without_an_object() -> None:
    method = Method("a.B/C", "unary", Timestamp)
    assert method.message("1970-01-01T00:00:01Z") == Timestamp(seconds=1).SerializeToString()
    with pytest.raises(ExpectedError, match=r"a\.B/C: no google\.protobuf\.Timestamp: "):
        method.message([1])


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("stranger.v1.Counter/Nope", {}, "there are: Count, Sum, Wait"),
        ("stranger.v1.Nope/Count", {}, "has no service 'stranger.v1.Nope'"),
        ("stranger.v1.Counter/Sum", {}, "the client streams its requests"),
        ("stranger.v1.Counter/Count", {"nope": 1}, 'no field named "nope"'),
        ("stranger.v1.Counter/Count", 5, "Counter/Count: no stranger.v1.CountRequest: 5 is no JSON object"),
        ("stranger.v1.Counter/Count", [1], r"no stranger.v1.CountRequest: \[1\] is no JSON object"),
    ],
)
async def test_bad_input_is_named(stranger, name: str, data: object, text: str) -> None:
    with pytest.raises(ExpectedError, match=text):
        (await reflect_method(stranger, name)).message(data)


async def test_what_the_command_refuses_is_a_line(stranger, tmp_path: Path) -> None:
    ended = await called(stranger, tmp_path, "stranger.v1.Counter/Count", [])
    assert (ended.code, "an empty list" in " ".join(ended.err.split())) == (1, True)
