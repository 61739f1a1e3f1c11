"""What bodies and replies have in common: JSON to a checked value, errors that name the field, and back to JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from gateway.protocols.fields import invalid_argument
from tandem.shared.errors import InvalidArgument


def limits(**keywords: float) -> Any:
    """Return what a description adds to a type: the ranges that backends accept, as keywords of JSON Schema."""
    return Field(json_schema_extra=dict(keywords))


Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
"""As large as the fields of the contract; narrower ranges are the backends'."""
Seed = Annotated[int, Field(ge=-(2**63), le=2**64 - 1), AfterValidator(lambda seed: seed % 2**64)]
"""OpenAI's are signed, ours are not: a negative one counts from 2^64 downwards."""

NOTHING: tuple[Any, ...] = (None, False, "", [], {})
"""Values of a field that say that nothing is wanted of it."""

IGNORED = {
    "guided_decoding_backend",
    "include_reasoning",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "request_id",
    "safety_identifier",
    "separate_reasoning",
    "service_tier",
    "stream_reasoning",
    "strictJsonSchema",
    "user",
}
"""Fields that no output depends on, whatever they hold."""


class Body(BaseModel, strict=True, extra="allow"):
    """A JSON object. What it has of other fields is refused by name, unless that asks for nothing or is in IGNORED."""

    unsupported: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Fields that clients may know and that have no effect here, each with the values that are harmless."""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Return the value of a body. Raises InvalidArgument, which names the first field that is wrong."""
        try:
            parsed = cls.model_validate_json(body)
        except ValidationError as error:
            raise invalid_argument(error) from None
        for name, value in (parsed.model_extra or {}).items():
            if name not in IGNORED:
                cls._check_other(name, value)
        return parsed

    @classmethod
    def _check_other(cls, name: str, value: Any) -> None:
        accepted = cls.unsupported.get(name, ())
        is_on = any(each is True for each in accepted)  # then False asks for something
        harmless = (*accepted, *(each for each in NOTHING if not (is_on and each is False)))
        # True is not 1 here, nor False 0.
        if any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in harmless):
            return
        if name in cls.unsupported:
            what = f"{' or '.join(map(repr, accepted)) or 'nothing'}: this server does not support more"
        else:
            alike = get_close_matches(name, cls.model_fields, n=1)
            what = f"nothing: there is no such field{f', perhaps {alike[0]} was meant' if alike else ''}"
        raise InvalidArgument(name, value, what)


class Reply(BaseModel, ser_json_inf_nan="null"):
    """A JSON object; fields that were not given are left out, those that were given as None are null."""

    def to_json(self) -> bytes:
        """Return it as JSON."""
        return self.__pydantic_serializer__.to_json(self, exclude_unset=True)


class WholeReply(Reply, json_schema_serialization_defaults_required=True):
    """A JSON object with all of its fields; one that is always the same has this value as its default."""

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)


def to_json_with(reply: Reply, choices: Iterable[Reply]) -> bytes:
    """Return a reply that has no choices as JSON with `choices` in it.

    Each choice is made, written out and let go before the next: with log-probabilities, it has tens of thousands of
    objects, and other threads stand still while many are written out at once or the garbage collector looks at them.
    """
    before, after = reply.to_json().split(b'"choices":[]', 1)  # inside a text, the quotes would be escaped
    return b'%b"choices":[%b]%b' % (before, b",".join(choice.to_json() for choice in choices), after)
