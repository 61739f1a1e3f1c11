"""What all bodies have in common: JSON to a checked value, and errors that name the field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem.shared.errors import InvalidArgument
from tandem.shared.validation_errors import place

Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""As large as the fields of the contract; narrower ranges are the backends'."""
UInt64OrNegative = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]

NOTHING: tuple[Any, ...] = (None, False, "", [], {})
"""Values of a field that say that nothing is wanted of it."""

_TYPES = ("str", "int", "float", "bool")
_MOST_ERRORS = 8


class Body(BaseModel):
    """A JSON object. Unknown fields are ignored; those of `unsupported` are refused unless they ask for nothing."""

    model_config = ConfigDict(strict=True, extra="allow")

    unsupported: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Fields that clients may know and that have no effect here, each with the values that are harmless."""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the value of a body. Raises InvalidArgument, which names the first field that is wrong."""
        try:
            parsed = cls.model_validate_json(body)
        except ValidationError as error:
            raise _as_invalid_argument(error) from None
        for name, value in (parsed.model_extra or {}).items():
            check_unsupported(name, value, cls.unsupported)
        return parsed


def check_unsupported(name: str, value: Any, unsupported: Mapping[str, Sequence[Any]]) -> None:
    """Raise InvalidArgument for a field that is not supported, with a value that asks for something."""
    if name in unsupported and not any(_is_same(value, each) for each in (*NOTHING, *unsupported[name])):
        accepted = " or ".join(repr(each) for each in unsupported[name]) or "nothing"
        raise InvalidArgument(name, value, f"{accepted}: this server does not support more")


def _is_same(value: Any, other: Any) -> bool:
    """Return whether the values are equal; True is not 1 here, nor False 0."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _as_invalid_argument(error: ValidationError) -> InvalidArgument:
    """Return what is wrong with the first field that is; where several types are accepted, all of them are named."""
    found = error.errors(include_url=False, include_context=False)
    if not found[0]["loc"]:
        return InvalidArgument("request", found[0]["input"], f"a JSON object ({found[0]['msg']})")
    of_field = [each for each in found if each["loc"][0] == found[0]["loc"][0]][:_MOST_ERRORS]
    places = zip(*(_cleaned(each["loc"]) for each in of_field), strict=False)
    common = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, places)]
    accepted = " or ".join(dict.fromkeys(each["msg"].removeprefix("Input should be ") for each in of_field))
    return InvalidArgument(place(common), of_field[0]["input"], accepted)


def _cleaned(location: Sequence[int | str]) -> list[int | str]:
    """Return the location without the names of types, which pydantic puts between those of fields."""
    return [part for part in location if isinstance(part, int) or _is_field(part)]


def _is_field(part: str) -> bool:
    return part.islower() and part not in _TYPES and "[" not in part
