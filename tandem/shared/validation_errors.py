"""What pydantic finds wrong with a file or a message, in words: where it is, and why it is refused."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import ValidationError

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
