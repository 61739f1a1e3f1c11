import grpc
import pytest

from runtime.rpc.status import status_details
from tandem.shared import errors


def test_every_error_has_a_grpc_status():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TandemError)]
    assert {kind.code for kind in kinds} <= {code.name for code in grpc.StatusCode}


WITHIN = [
    errors.InvalidArgument("chat", 1, "text"),
    errors.ReplyTooLarge("n", 9, "less"),
    errors.PromptTooLong("text", 9, "less"),
    errors.NoChatTemplate(),
]


@pytest.mark.parametrize("error", WITHIN, ids=lambda error: type(error).__name__)
def test_an_error_within_a_field_is_the_same_error_of_a_longer_field(error):
    inner = error.within("generate")
    assert type(inner) is type(error)
    assert (inner.field, str(inner)) == (f"generate.{error.field}", f"generate.{error}")
    assert (inner.code, inner.reason) == (error.code, error.reason)
    assert str(inner.within("request")) == f"request.generate.{error}"
    assert not str(error).startswith("generate.")


def test_no_kind_of_invalid_argument_is_left_out_above():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert {type(error) for error in WITHIN} == {kind for kind in kinds if issubclass(kind, errors.InvalidArgument)}


@pytest.mark.parametrize("letter", ["x", "\ud800", "\U0001f600", "\n"])
def test_the_trailers_stay_small_whatever_a_client_calls_a_field(letter):
    error = errors.InvalidArgument("sampling." + letter * 60_000, letter * 60_000, "none").within("generate")
    assert error.field.startswith("generate.sampling.")
    assert len(str(error).encode()) < 4000
    assert sum(map(len, status_details(error).values())) < 10_000
