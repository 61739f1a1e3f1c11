from tandem.common.v1 import timings_pb2 as _timings_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TakeServedRequest(_message.Message):
    __slots__ = ("request_ids",)
    REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    request_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class TakeServedResponse(_message.Message):
    __slots__ = ("served",)
    class ServedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Served
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Served, _Mapping]] = ...) -> None: ...
    SERVED_FIELD_NUMBER: _ClassVar[int]
    served: _containers.MessageMap[str, Served]
    def __init__(self, served: _Optional[_Mapping[str, Served]] = ...) -> None: ...

class Served(_message.Message):
    __slots__ = ("model", "outputs", "first_outputs", "images", "timings", "backend_seconds", "arrival_wait_seconds", "first_output_delay_seconds", "input_tokens", "cached_tokens")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ARRIVAL_WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    FIRST_OUTPUT_DELAY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CACHED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    model: str
    outputs: int
    first_outputs: int
    images: int
    timings: _timings_pb2.Timings
    backend_seconds: float
    arrival_wait_seconds: float
    first_output_delay_seconds: float
    input_tokens: int
    cached_tokens: int
    def __init__(self, model: _Optional[str] = ..., outputs: _Optional[int] = ..., first_outputs: _Optional[int] = ..., images: _Optional[int] = ..., timings: _Optional[_Union[_timings_pb2.Timings, _Mapping]] = ..., backend_seconds: _Optional[float] = ..., arrival_wait_seconds: _Optional[float] = ..., first_output_delay_seconds: _Optional[float] = ..., input_tokens: _Optional[int] = ..., cached_tokens: _Optional[int] = ...) -> None: ...
