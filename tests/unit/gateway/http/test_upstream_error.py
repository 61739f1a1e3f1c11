import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from gateway.http.errors import upstream_error
from tandem.shared.errors import ModelFault


def error(code: grpc.StatusCode, text: str, *trailers: tuple[str, str | bytes]) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(*trailers), text)


def test_code_message_and_details_pass() -> None:
    mapped = upstream_error(
        error(grpc.StatusCode.NOT_FOUND, "no such model", ("grpc-status-details-bin", b"\x08"), ("x-own", "1")), "here"
    )
    assert (mapped.code, str(mapped)) == ("NOT_FOUND", "no such model")
    assert mapped.trailers == {"grpc-status-details-bin": b"\x08", "x-own": "1"}


@pytest.mark.parametrize("text", ["{}", "Stream removed (RST_STREAM ({}))"])
def test_a_backend_that_died_in_the_middle_is_told_as_such(text: str) -> None:
    """Envoy can then only reset the stream, which grpc calls an internal error."""
    cut_off = error(grpc.StatusCode.INTERNAL, text.format("Received RST_STREAM with error code 2"))
    mapped = upstream_error(cut_off, "here")
    assert (mapped.code, str(mapped)) == ("UNAVAILABLE", "the backend went away during the request")


def test_a_connection_that_went_is_told_in_the_same_words() -> None:
    mapped = upstream_error(error(grpc.StatusCode.UNAVAILABLE, "Stream removed (Socket closed)"), "here")
    assert (mapped.code, str(mapped)) == ("UNAVAILABLE", "the backend went away during the request")
    busy = upstream_error(error(grpc.StatusCode.UNAVAILABLE, "the models are loading"), "here")
    assert str(busy) == "the models are loading"


@pytest.mark.parametrize("text", ["Deadline Exceeded", "Stream removed (Deadline Exceeded)"])
def test_time_that_is_over_is_told_in_plain_words(text: str) -> None:
    mapped = upstream_error(error(grpc.StatusCode.DEADLINE_EXCEEDED, text), "here")
    assert (mapped.code, str(mapped)) == ("DEADLINE_EXCEEDED", "the reply was not complete within the timeout")
    told = upstream_error(error(grpc.StatusCode.DEADLINE_EXCEEDED, "deadline passed in the queue"), "here")
    assert str(told) == "deadline passed in the queue"


def test_fault_of_the_model_is_told_as_it_came() -> None:
    mapped = upstream_error(error(grpc.StatusCode.INTERNAL, str(ModelFault())), "here")
    assert (mapped.code, str(mapped)) == ("INTERNAL", str(ModelFault()))


@pytest.mark.parametrize("code", [grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL])
def test_text_of_a_fault_stays_in_the_log(code: grpc.StatusCode, caplog: pytest.LogCaptureFixture) -> None:
    mapped = upstream_error(error(code, "KeyError: 'secret'"), "/a.B/C")
    assert (mapped.code, str(mapped)) == (code.name, "internal error; the server's log has the details")
    assert "secret" in caplog.text
    assert "/a.B/C" in caplog.text
