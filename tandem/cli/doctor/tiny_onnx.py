"""The smallest ONNX model, y = x over one float, as bytes: enough to see whether an execution provider really runs.

Written by hand, so that it does not need the onnx package. Numbers are field numbers of onnx.proto.
"""

_FLOAT = 1
_IR_VERSION = 8
_OPSET = 13


def identity_model() -> bytes:
    """Return a ModelProto with one Identity node from "x" to "y", both float32[1]."""
    node = _field(1, b"x") + _field(2, b"y") + _field(4, b"Identity")
    graph = _field(1, node) + _field(2, b"tiny") + _field(11, _value(b"x")) + _field(12, _value(b"y"))
    opset = _field(1, b"") + _number(2, _OPSET)
    return _number(1, _IR_VERSION) + _field(7, graph) + _field(8, opset)


def _value(name: bytes) -> bytes:
    """Return a ValueInfoProto."""
    shape = _field(1, _number(1, 1))
    tensor_type = _number(1, _FLOAT) + _field(2, shape)
    return _field(1, name) + _field(2, _field(1, tensor_type))


def _field(number: int, content: bytes) -> bytes:
    """Return a length-delimited protobuf field of fewer than 128 bytes."""
    if len(content) > 127:
        raise ValueError("too long for a one-byte length")
    return bytes([number << 3 | 2, len(content)]) + content


def _number(number: int, value: int) -> bytes:
    """Return a varint protobuf field below 128."""
    return bytes([number << 3, value])
