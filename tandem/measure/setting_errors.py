"""What pydantic finds wrong with settings, in a line for people: field, value, and what is accepted."""

import contextlib
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from tandem.shared.errors import ExpectedError
from tandem.shared.validation_errors import place, reason

M = TypeVar("M", bound=BaseModel)


@contextlib.contextmanager
def explain_errors(what: str = "") -> Iterator[None]:
    """Turn a ValidationError into an ExpectedError that says all that is wrong; the text begins with `what`."""
    try:
        yield
    except ValidationError as error:
        lines = (_line(wrong["loc"], wrong["msg"], wrong["input"]) for wrong in error.errors())
        raise ExpectedError(what + "; ".join(lines)) from None


def validate(kind: type[M], values: dict[str, Any]) -> M:
    """Return checked settings. Raises ExpectedError that names field, value and what is accepted."""
    with explain_errors():
        return kind.model_validate(values)


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


FromText = BeforeValidator(_split)
"""Accepts a tuple in its written form, too, with commas between."""


def _line(location: tuple[int | str, ...], message: str, value: object) -> str:
    text = reason(message)
    if text != message:  # ours: names field and value itself
        return ": ".join(filter(None, (place(location), text)))
    return f"{place(location)}: {value!r} is not accepted: {message[:1].lower()}{message[1:]}"
