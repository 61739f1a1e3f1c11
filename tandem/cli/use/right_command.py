"""The error for a model of the other paradigm, which names the right command."""

import contextlib
from collections.abc import Iterator

from tandem.client import NotFound, TandemClient, TandemRpcError
from tandem.shared.errors import ExpectedError


@contextlib.contextmanager
def right_command_named(address: str, model: str, *, is_sequential: bool) -> Iterator[None]:
    """Raise ExpectedError instead of NotFound where the model is of the other paradigm than the command's."""
    try:
        yield
    except NotFound:
        if not model or not _is_of_other_paradigm(address, model, is_sequential):
            raise
        kind, command = ("a parallel", "sample") if is_sequential else ("a sequential", "generate")
        raise ExpectedError(f"{model} is {kind} model; use `tandem {command} --model {model}`") from None


def _is_of_other_paradigm(address: str, model: str, is_sequential: bool) -> bool:
    try:
        with TandemClient(address) as client:
            others = client.list_parallel_models() if is_sequential else client.list_sequential_models()
    except TandemRpcError:
        return False
    return any(other.name == model for other in others)
