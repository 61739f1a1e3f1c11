"""What pydantic finds wrong with a file or a message, in words: where it is, and why it is refused."""

from collections.abc import Sequence

from pydantic import ValidationError

_OWN = "Value error, "  # before the text of a validator of ours


def place(location: Sequence[int | str]) -> str:
    """Return where a value is, as in `keys[0].name`; empty for the whole."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def reason(message: str) -> str:
    """Return why a value is refused, without pydantic's own words before a text of ours."""
    return message.removeprefix(_OWN)


def in_words(error: ValidationError) -> str:
    """Return all that is wrong in one line, without the values, which may be secret or long."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(": ".join(filter(None, (place(each["loc"]), reason(each["msg"])))) for each in faults)
