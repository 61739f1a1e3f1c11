"""What pydantic finds wrong with settings, in a line for people: field, value, and what is accepted."""

from pydantic import ValidationError

_PREFIX = "Value error, "


def explained(error: ValidationError) -> str:
    """Return all that is wrong."""
    return "; ".join(_line(each["loc"], each["msg"], each["input"]) for each in error.errors())


def _line(place: tuple[int | str, ...], message: str, value: object) -> str:
    if message.startswith(_PREFIX):  # ours: names field and value itself
        text = message.removeprefix(_PREFIX)
        return f"{_field(place)}: {text}" if place else text
    return f"{_field(place)}: {value!r} is not accepted: {message[:1].lower()}{message[1:]}"


def _field(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place)
