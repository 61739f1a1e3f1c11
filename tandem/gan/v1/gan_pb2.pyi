from tandem.common.v1 import images_pb2 as _images_pb2
from tandem.common.v1 import timings_pb2 as _timings_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleRequest(_message.Message):
    __slots__ = ("model", "count", "labels", "seed", "latents", "truncation", "encoding")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATION_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    model: str
    count: int
    labels: _containers.RepeatedScalarFieldContainer[int]
    seed: int
    latents: Latents
    truncation: float
    encoding: _images_pb2.Encoding
    def __init__(self, model: _Optional[str] = ..., count: _Optional[int] = ..., labels: _Optional[_Iterable[int]] = ..., seed: _Optional[int] = ..., latents: _Optional[_Union[Latents, _Mapping]] = ..., truncation: _Optional[float] = ..., encoding: _Optional[_Union[_images_pb2.Encoding, str]] = ...) -> None: ...

class Latents(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class SampleResponse(_message.Message):
    __slots__ = ("images", "labels", "seed", "first_index", "timings", "fingerprint")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    FIRST_INDEX_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    images: _images_pb2.ImageBatch
    labels: _containers.RepeatedScalarFieldContainer[int]
    seed: int
    first_index: int
    timings: _timings_pb2.Timings
    fingerprint: str
    def __init__(self, images: _Optional[_Union[_images_pb2.ImageBatch, _Mapping]] = ..., labels: _Optional[_Iterable[int]] = ..., seed: _Optional[int] = ..., first_index: _Optional[int] = ..., timings: _Optional[_Union[_timings_pb2.Timings, _Mapping]] = ..., fingerprint: _Optional[str] = ...) -> None: ...

class SampleStreamRequest(_message.Message):
    __slots__ = ("sample", "images_per_message")
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    IMAGES_PER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    sample: SampleRequest
    images_per_message: int
    def __init__(self, sample: _Optional[_Union[SampleRequest, _Mapping]] = ..., images_per_message: _Optional[int] = ...) -> None: ...

class SampleStreamResponse(_message.Message):
    __slots__ = ("part",)
    PART_FIELD_NUMBER: _ClassVar[int]
    part: SampleResponse
    def __init__(self, part: _Optional[_Union[SampleResponse, _Mapping]] = ...) -> None: ...

class DiscriminateRequest(_message.Message):
    __slots__ = ("model", "images", "labels")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    model: str
    images: _images_pb2.ImageBatch
    labels: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, model: _Optional[str] = ..., images: _Optional[_Union[_images_pb2.ImageBatch, _Mapping]] = ..., labels: _Optional[_Iterable[int]] = ...) -> None: ...

class DiscriminateResponse(_message.Message):
    __slots__ = ("scores", "feature_dim", "features", "timings")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    FEATURE_DIM_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    feature_dim: int
    features: _containers.RepeatedScalarFieldContainer[float]
    timings: _timings_pb2.Timings
    def __init__(self, scores: _Optional[_Iterable[float]] = ..., feature_dim: _Optional[int] = ..., features: _Optional[_Iterable[float]] = ..., timings: _Optional[_Union[_timings_pb2.Timings, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "licence", "image_shape", "latent_dim", "num_classes", "class_names", "value_range", "providers", "max_batch_size", "has_discriminator", "runtime", "fingerprint", "max_reply_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_SHAPE_FIELD_NUMBER: _ClassVar[int]
    LATENT_DIM_FIELD_NUMBER: _ClassVar[int]
    NUM_CLASSES_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAMES_FIELD_NUMBER: _ClassVar[int]
    VALUE_RANGE_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    HAS_DISCRIMINATOR_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    MAX_REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    licence: str
    image_shape: _containers.RepeatedScalarFieldContainer[int]
    latent_dim: int
    num_classes: int
    class_names: _containers.RepeatedScalarFieldContainer[str]
    value_range: _containers.RepeatedScalarFieldContainer[float]
    providers: _containers.RepeatedScalarFieldContainer[str]
    max_batch_size: int
    has_discriminator: bool
    runtime: Runtime
    fingerprint: str
    max_reply_bytes: int
    def __init__(self, name: _Optional[str] = ..., licence: _Optional[str] = ..., image_shape: _Optional[_Iterable[int]] = ..., latent_dim: _Optional[int] = ..., num_classes: _Optional[int] = ..., class_names: _Optional[_Iterable[str]] = ..., value_range: _Optional[_Iterable[float]] = ..., providers: _Optional[_Iterable[str]] = ..., max_batch_size: _Optional[int] = ..., has_discriminator: _Optional[bool] = ..., runtime: _Optional[_Union[Runtime, _Mapping]] = ..., fingerprint: _Optional[str] = ..., max_reply_bytes: _Optional[int] = ...) -> None: ...

class Runtime(_message.Message):
    __slots__ = ("name", "version", "precision", "instruction_set", "num_instances", "threads_per_instance", "is_rewritten", "batch_sizes", "images_per_second", "rms_difference")
    class ImagesPerSecondEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_SET_FIELD_NUMBER: _ClassVar[int]
    NUM_INSTANCES_FIELD_NUMBER: _ClassVar[int]
    THREADS_PER_INSTANCE_FIELD_NUMBER: _ClassVar[int]
    IS_REWRITTEN_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RMS_DIFFERENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    precision: str
    instruction_set: str
    num_instances: int
    threads_per_instance: int
    is_rewritten: bool
    batch_sizes: _containers.RepeatedScalarFieldContainer[int]
    images_per_second: _containers.ScalarMap[int, float]
    rms_difference: float
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., precision: _Optional[str] = ..., instruction_set: _Optional[str] = ..., num_instances: _Optional[int] = ..., threads_per_instance: _Optional[int] = ..., is_rewritten: _Optional[bool] = ..., batch_sizes: _Optional[_Iterable[int]] = ..., images_per_second: _Optional[_Mapping[int, float]] = ..., rms_difference: _Optional[float] = ...) -> None: ...
