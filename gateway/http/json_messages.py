"""Between JSON and protobuf, with the .proto files as the contract: proto names, base64 bytes, 64-bit ints as strings.

Knows nothing of HTTP.
"""

import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tandem.shared.errors import InvalidArgument

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
