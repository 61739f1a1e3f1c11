"""What bodies and replies have in common: JSON to a checked value, errors that name the field, and back to JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tandem.shared.errors import InvalidArgument
from tandem.shared.validation_errors import place

Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""As large as the fields of the contract; narrower ranges are the backends'."""
Seed = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]
"""OpenAI's are signed, ours are not: a negative one counts from 2^64 downwards."""

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
    if name in unsupported and not any(_is_same(value, harmless) for harmless in (*NOTHING, *unsupported[name])):
        accepted = " or ".join(map(repr, unsupported[name])) or "nothing"
        raise InvalidArgument(name, value, f"{accepted}: this server does not support more")


def _is_same(value: Any, other: Any) -> bool:
    """Return whether the values are equal; True is not 1 here, nor False 0."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _as_invalid_argument(error: ValidationError) -> InvalidArgument:
    """Return what is wrong with the first field that is; where several types are accepted, all of them are named."""
    details = error.errors(include_url=False, include_context=False)
    if not details[0]["loc"]:
        return InvalidArgument("request", details[0]["input"], f"a JSON object ({details[0]['msg']})")
    of_field = [detail for detail in details if detail["loc"][0] == details[0]["loc"][0]][:_MOST_ERRORS]
    places = zip(*(_fields_of(detail["loc"]) for detail in of_field), strict=False)
    common = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, places)]
    accepted = " or ".join(dict.fromkeys(detail["msg"].removeprefix("Input should be ") for detail in of_field))
    return InvalidArgument(place(common), of_field[0]["input"], accepted)


def _fields_of(location: Sequence[int | str]) -> list[int | str]:
    """Return the location without the names of types, which pydantic puts between those of fields."""
    return [part for part in location if isinstance(part, int) or _is_field(part)]


def _is_field(part: str) -> bool:
    return part.islower() and part not in _TYPES and "[" not in part


class Reply(BaseModel):
    """A JSON object; fields that were not given are left out, those that were given as None are null."""

    model_config = ConfigDict(ser_json_inf_nan="null")

    def to_json(self) -> bytes:
        """Return it as JSON."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


def to_json_with(reply: Reply, choices: Iterable[Reply]) -> bytes:
    """Return a reply that has no choices as JSON with `choices` in it.

    Each choice is made, written out and let go before the next: with log-probabilities, it has tens of thousands of
    objects, and other threads stand still while many are written out at once or the garbage collector looks at them.
    """
    before, after = reply.to_json().split(b'"choices":[]', 1)  # inside a text, the quotes would be escaped
    return b'%b"choices":[%b]%b' % (before, b",".join(choice.to_json() for choice in choices), after)


def to_unsigned(seed: int | None) -> int | None:
    """Return the seed of our messages; None stays None."""
    return None if seed is None else seed & (2**64 - 1)
