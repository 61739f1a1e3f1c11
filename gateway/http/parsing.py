"""JSON requests: read without holding up others, few elements at once, many in a thread, too many not at all.

To turn JSON into a message costs time with each element of it, not with each byte: a request that is small but made of
hundreds of thousands of numbers would otherwise keep everybody waiting for a second. Between JSON and protobuf the
.proto files are the contract: proto names, base64 bytes, 64-bit ints as strings.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from typing import Any, ParamSpec, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from runtime.memory import Memory
from tandem.shared.errors import InvalidArgument

P = ParamSpec("P")
T = TypeVar("T")

MAX_INLINE_BYTES = 16 * 1024
"""Larger messages take long to translate."""
MAX_INLINE_ELEMENTS = 512
"""About a millisecond's work."""
MAX_INLINE_STRINGS_BYTES = 128 * 1024
"""About a millisecond's work, too: to find where the strings of a body begin and end."""
MAX_ELEMENTS = 131_072
"""More tokens than a model's context has; about a quarter of a second's work."""
MAX_DEPTH = 32
"""No message of the contract is nested as deep as that."""
MAX_WAITING = 16
"""Large requests that wait for the thread, or are in it."""
MAX_CALLER_SHARE = 0.5
"""The part of them that may be of one caller."""

_MOST_STRINGS = 3  # an element: its key and itself, and one for the elements that `_at_most` does not count
# A string to its end, or to the end of the body if it has none: every byte is looked at once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}


class JsonParser:
    """One thread, which large requests take in turn; a caller is a key's identifier, or a connection."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="json")
        self._places = Memory("the gateway's queue of large JSON requests", MAX_WAITING, MAX_CALLER_SHARE)

    async def parse(self, caller: str, message_class: type[Message], body: bytes) -> bytes:
        """Return the serialised message in a JSON body. Raises InvalidArgument, ResourceExhausted."""
        return await self.run(caller, body, lambda: parse_json(message_class, body).SerializeToString())

    async def run(self, caller: str, body: bytes, read: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Return what `read` makes of its arguments; `body` is the JSON that it reads, which is checked before.

        Raises InvalidArgument, ResourceExhausted.
        """
        if _is_small(body):
            return read(*arguments, **options)
        place = self._places.reserve(caller)
        parsing = self._thread.submit(_check_and_read, body, partial(read, *arguments, **options))
        # Also when its caller has left: the place is free when the thread is.
        parsing.add_done_callback(lambda _: place.give_back())
        return await asyncio.wrap_future(parsing)

    def close(self) -> None:
        """Let go of the thread; what it has in hand ends first."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def in_thread_if(takes_long: bool, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the function returns; it runs in a thread if it takes long: everybody waits for the event loop."""
    return await asyncio.to_thread(function, *args, **kwargs) if takes_long else function(*args, **kwargs)


def _check_and_read(body: bytes, read: Callable[[], T]) -> T:
    check_structure(body)
    return read()


def check_structure(body: bytes) -> None:
    """Raise InvalidArgument for more elements or a deeper nesting than any request has; cheap, for any bytes."""
    num_strings = _strings_at_least(body)
    if num_strings > _MOST_STRINGS * MAX_ELEMENTS:
        raise InvalidArgument("request", f"{num_strings} texts", f"up to {MAX_ELEMENTS} elements")
    structure = _without_strings(body)
    num_elements = max(_at_most(structure), structure.count(b"]") + structure.count(b"}"))
    if num_elements > MAX_ELEMENTS:
        raise InvalidArgument("request", f"{num_elements} elements", f"up to {MAX_ELEMENTS} elements")
    depth = max(accumulate(map(_STEPS.__getitem__, structure.translate(None, _ALL_BUT_BRACKETS))), default=0)
    if depth > MAX_DEPTH:
        raise InvalidArgument("request", f"nested {depth} deep", f"up to {MAX_DEPTH} deep")


def _is_small(body: bytes) -> bool:
    """Return whether the body has few elements; punctuation inside of strings is none, if that is seen quickly."""
    if _at_most(body) <= MAX_INLINE_ELEMENTS:
        return True
    if len(body) > MAX_INLINE_STRINGS_BYTES or _strings_at_least(body) > _MOST_STRINGS * MAX_INLINE_ELEMENTS:
        return False
    return _at_most(_without_strings(body)) <= MAX_INLINE_ELEMENTS


def _strings_at_least(body: bytes) -> int:
    """Return how many strings there are at least: a quote behind a backslash may begin or end none.

    It costs little, while to find where each string begins and ends costs a second for a million of them, for which
    the expression keeps the interpreter's lock.
    """
    return (body.count(b'"') - body.count(b'\\"')) // 2


def _without_strings(body: bytes) -> bytes:
    return _STRING.sub(b"", body)


def _at_most(body: bytes) -> int:
    """Return how many elements JSON can have at the most: each but the first of its kind has a comma before it."""
    return body.count(b",") + body.count(b"[") + body.count(b"{")


_ACCEPTED = {
    FieldDescriptor.CPPTYPE_INT32: "a whole number of 32 bits",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of 64 bits",
    FieldDescriptor.CPPTYPE_UINT32: "a whole number of 32 bits, not negative",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number of 64 bits, not negative",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_FLOAT: "a number that float32 can hold",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_STRING: "a text, or base64 where the contract says bytes",
    FieldDescriptor.CPPTYPE_MESSAGE: "an object",
}

_NOT_PARSED = (json_format.ParseError, ValueError, OverflowError, SystemError)
"""Besides its own error, protobuf raises SystemError for names with lone surrogates, OverflowError for long numbers."""


def parse_json(message_class: type[Message], body: bytes) -> Message:
    """Return the message in a JSON body. Raises InvalidArgument, which names the field where it can."""
    content = _object(body, message_class)
    try:
        return json_format.ParseDict(content, message_class())
    except _NOT_PARSED as error:
        culprit = _culprit(message_class, content)
        raise culprit or InvalidArgument("request", content, f"what the contract allows ({error})") from None


def plain(message_class: type[Message], raw: bytes) -> dict[str, Any]:
    """Return a serialised message as plain data; fields with their default value are absent, as the contract has it."""
    return json_format.MessageToDict(message_class.FromString(raw), preserving_proto_field_name=True)


def _object(body: bytes, message_class: type[Message]) -> dict[str, Any]:
    accepted = f"a JSON object, the {message_class.DESCRIPTOR.full_name} of the contract"
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidArgument("request", body[:40], accepted) from None
    if not isinstance(content, dict):
        raise InvalidArgument("request", content, accepted)
    return content


def _culprit(message_class: type[Message], content: dict[str, Any], prefix: str = "") -> InvalidArgument | None:
    """Return what is wrong with the first field that does not parse by itself, None if they all do."""
    fields = message_class.DESCRIPTOR
    for name, value in content.items():
        known = (fields.fields_by_name, fields.fields_by_camelcase_name) if name.isascii() else ()
        field = next((names[name] for names in known if name in names), None)
        if field is None:
            return InvalidArgument(prefix + name, value, f"one of the fields {', '.join(fields.fields_by_name)}")
        if not _parses(message_class, {name: value}):
            return _inside(field, value, prefix + name) or InvalidArgument(prefix + name, value, _words_for(field))
    return None


def _parses(message_class: type[Message], content: dict[str, Any]) -> bool:
    try:
        json_format.ParseDict(content, message_class())
    except _NOT_PARSED:
        return False
    return True


def _inside(field: Any, value: Any, where: str) -> InvalidArgument | None:
    if field.message_type is None or field.message_type.GetOptions().map_entry:
        return None
    inner_class = GetMessageClass(field.message_type)
    items = (
        {f"{where}[{index}].": item for index, item in enumerate(value)}
        if isinstance(value, list)
        else {f"{where}.": value}
    )
    found = (_culprit(inner_class, item, prefix) for prefix, item in items.items() if isinstance(item, dict))
    return next(filter(None, found), None)


def _words_for(field: Any) -> str:
    if field.enum_type is not None:
        kind = " or ".join(value.name for value in field.enum_type.values)
    else:
        kind = _ACCEPTED[field.cpp_type]
    return f"a list, each {kind}" if field.is_repeated else kind
