"""What pydantic finds wrong with a file or a message, in words: where it is, and why it is refused."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tandem.shared.errors import ExpectedError

M = TypeVar("M", bound=BaseModel)
_OWN = "Value error, "  # before the text of a validator of ours
_HINTS = {"list_type": ', as in ["a", "b"]'}  # by the type of the error: how a setting is written


def place(location: Sequence[int | str]) -> str:
    """Return where a value is, as in `keys[0].name`; empty for the whole."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def reason(message: str) -> str:
    """Return why a value is refused, without pydantic's own words before a text of ours."""
    return message.removeprefix(_OWN)


def describe_errors(error: ValidationError, reasons: Mapping[int | str, str] | None = None) -> str:
    """Return all that is wrong in one line, without the values, which may be secret or long.

    `reasons`: by the name of a field, what to say instead of pydantic's own reason.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    told = (
        (fault["loc"], (reasons or {}).get(fault["loc"][-1] if fault["loc"] else "", fault["msg"])) for fault in faults
    )
    return "; ".join(": ".join(filter(None, (place(location), reason(text)))) for location, text in told)


@contextlib.contextmanager
def explain_errors(what: str = "") -> Iterator[None]:
    """Turn a ValidationError into an ExpectedError that says all that is wrong: field, value, and what is accepted. The
    text begins with `what`.
    """
    try:
        yield
    except ValidationError as error:
        lines = (_explain(wrong["loc"], wrong["msg"], wrong["input"]) for wrong in error.errors())
        raise ExpectedError(what + "; ".join(lines)) from None


def _explain(location: Sequence[int | str], message: str, value: object) -> str:
    text = reason(message)
    if text != message:  # ours: names field and value itself
        return ": ".join(filter(None, (place(location), text)))
    return f"{place(location)}: {value!r} is not accepted: {message[:1].lower()}{message[1:]}"


def validate(kind: type[M], values: dict[str, Any]) -> M:
    """Return checked settings. Raises ExpectedError as `explain_errors` has it."""
    with explain_errors():
        return kind.model_validate(values)


def describe_setting_errors(error: ValidationError, named: Callable[[str], str]) -> str:
    """Return a line for each bad setting: what people call it by (`named`), its value, and why it is refused.

    What is wrong with several together names them itself.
    """
    return "\n".join(
        f"  {named(str(each['loc'][0]))}: {each['input']!r}: {reason(each['msg'])}{_HINTS.get(each['type'], '')}"
        if each["loc"]
        else f"  {reason(each['msg'])}"
        for each in error.errors()
    )
