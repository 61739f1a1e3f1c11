from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    ENCODING_RAW_UINT8: _ClassVar[Encoding]
    ENCODING_RAW_FLOAT32: _ClassVar[Encoding]
    ENCODING_PNG: _ClassVar[Encoding]
ENCODING_UNSPECIFIED: Encoding
ENCODING_RAW_UINT8: Encoding
ENCODING_RAW_FLOAT32: Encoding
ENCODING_PNG: Encoding

class ImageBatch(_message.Message):
    __slots__ = ("shape", "encoding", "data", "png")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    encoding: Encoding
    data: bytes
    png: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, shape: _Optional[_Iterable[int]] = ..., encoding: _Optional[_Union[Encoding, str]] = ..., data: _Optional[bytes] = ..., png: _Optional[_Iterable[bytes]] = ...) -> None: ...
