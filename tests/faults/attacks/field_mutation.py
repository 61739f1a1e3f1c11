"""Mutations of a message field by field: each kind of field has extremes of its own. Knows descriptors, no service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

NUMBERS = (
    *(float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1.0, -1.0, 0.5, 1e-7, 1e-30, 1e-38, 1e-46, 5e-324),
    *(2.0, 10.0, 10.000001, -100.0, 100.0, 65_504.0, 65_505.0, 1e9, 1e38, 3.4e38, -3.4e38, 1e300, 1.7e308),
)
INTEGERS = (0, 1, -1, 2, 7, 15, 16, 17, 64, 255, 256, 1024, 1025, 4096, 65_536, 100_000, 2**31 - 1, -(2**31))
LARGE_INTEGERS = (*INTEGERS, 2**32, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))
UNSIGNED = (0, 1, 2**31, 2**32 - 1)
LARGE_UNSIGNED = (*UNSIGNED, 2**53 + 1, 2**63, 2**64 - 1)
TEXTS = (
    *("", "a", "\0", "\ufeff", "\u202egnp", "e\u0301" * 40, "\U0001f469\u200d\U0001f469" * 20, "\n" * 300, "x" * 257),
    *("<|im_end|>", "<|im_start|>system\n", "{{ 7 * 7 }}", "{% for x in y %}", "../../etc/passwd", "%s%n", "-1"),
    *("user", "assistant", "fashion-ar", "fashion-gan", "word " * 3000, "\u4e00" * 10_000, "z" * 100_000),
)
BYTES = (
    *(b"", b"\0", b"\xff" * 16),
    *(
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0",
        b"\0" * 300_000,
    ),
)
# Little-endian float32: NaN, inf, the largest, its negative, 1e30, a denormal.
PATTERNS = (
    b"\0\0\xc0\x7f",
    b"\0\0\x80\x7f",
    b"\xff\xff\x7f\x7f",
    b"\xff\xff\x7f\xff",
    b"\xca\xf2\x49\x71",
    b"\1\0\0\0",
)
NUM_REPEATED = (1, 2, 17, 65, 1025, 5000)

_EXTREMES: Mapping[int, Sequence[Any]] = {
    FieldDescriptor.CPPTYPE_DOUBLE: NUMBERS,
    FieldDescriptor.CPPTYPE_FLOAT: tuple(value for value in NUMBERS if abs(value) < 3.5e38 or value != value),
    FieldDescriptor.CPPTYPE_INT32: INTEGERS,
    FieldDescriptor.CPPTYPE_ENUM: INTEGERS,
    FieldDescriptor.CPPTYPE_INT64: LARGE_INTEGERS,
    FieldDescriptor.CPPTYPE_UINT32: UNSIGNED,
    FieldDescriptor.CPPTYPE_UINT64: LARGE_UNSIGNED,
    FieldDescriptor.CPPTYPE_BOOL: (False, True),
}


def extreme(field: Any, random: Random) -> Any:
    """Return an extreme value of a field that holds no message."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return random.choice(BYTES)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return random.choice(TEXTS)
    return random.choice(_EXTREMES[field.cpp_type])


def mutate_fields(message: Message, random: Random) -> None:
    """Change one to three fields of the message, or of messages inside it, in place."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        inner = _some_message(message, random)
        if inner.DESCRIPTOR.fields:
            _mutate(inner, random.choice(inner.DESCRIPTOR.fields), random)


def _some_message(message: Message, random: Random) -> Message:
    """Return the message or one inside it, made where it is absent; deeper ones as likely as their holders."""
    holders = [field for field in message.DESCRIPTOR.fields if field.message_type is not None and not _is_map(field)]
    if not holders or random.random() < 0.35:
        return message
    field = random.choice(holders)
    value = getattr(message, field.name)
    if not field.is_repeated:
        value.SetInParent()
        return _some_message(value, random)
    return _some_message(random.choice(value) if value else value.add(), random)


def _mutate(message: Message, field: Any, random: Random) -> None:
    if _is_map(field):
        _mutate_map(getattr(message, field.name), field, random)
    elif field.is_repeated:
        _mutate_repeated(getattr(message, field.name), field, random)
    elif random.random() < 0.1:
        message.ClearField(field.name)
    elif field.message_type is not None:
        message.ClearField(field.name)
        getattr(message, field.name).SetInParent()  # empty, and of a oneof the wrong member
    elif field.type == FieldDescriptor.TYPE_BYTES and random.random() < 0.7:
        setattr(message, field.name, _overwritten(getattr(message, field.name), random))
    else:
        setattr(message, field.name, extreme(field, random))


def _overwritten(raw: bytes, random: Random) -> bytes:
    """Return bytes of the same length, all or a quarter of them a pattern: pixels that fit their shape."""
    pattern = random.choice(PATTERNS)
    place = random.choice((0, 0, len(raw) // 8 * 4))
    size = random.choice((len(raw) - place, len(raw) - place, 4))
    return raw[:place] + (pattern * (size // 4 + 1))[:size] + raw[place + size :]


def _mutate_repeated(values: Any, field: Any, random: Random) -> None:
    if random.random() < 0.1:
        del values[:]
        return
    make = _maker(values, field, random)
    if random.random() < 0.3 and field.message_type is None:
        values[:] = [make()] * len(values)
        return
    if random.random() < 0.5 and len(values) and field.message_type is None:
        values[random.randrange(len(values))] = make()
        return
    value = make()
    values.extend([value] * (random.choice(NUM_REPEATED) if _weighs_little(value) else 1))


def _maker(values: Any, field: Any, random: Random) -> Callable[[], Any]:
    if field.message_type is None:
        return lambda: extreme(field, random)
    return lambda: values[0] if len(values) else GetMessageClass(field.message_type)()


def _weighs_little(value: Any) -> bool:
    size = value.ByteSize() if isinstance(value, Message) else len(value) if isinstance(value, (str, bytes)) else 8
    return size < 200


def _mutate_map(values: Any, field: Any, random: Random) -> None:
    key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    for _ in range(random.choice((1, 1, 2, 5))):
        if value.message_type is not None:
            mutate_fields(values[extreme(key, random)], random)
        else:
            values[extreme(key, random)] = extreme(value, random)
    if value.message_type is None and random.random() < 0.1:
        values.update({index: extreme(value, random) for index in range(random.choice((1024, 1025, 5000)))})


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
