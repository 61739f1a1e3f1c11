"""Settings of the parallel backend."""

from pydantic import Field, model_validator

from runtime.limits import MAX_MESSAGE_BYTES
from services.common.settings import ServiceSettings


class GanSettings(ServiceSettings):
    """The parallel backend: generators that return a batch of images in one pass."""

    port: int = Field(50052, ge=0, le=65535)
    """gRPC port; 0 takes a free one."""

    metrics_port: int = Field(9102, ge=0, le=65535)
    """Prometheus port."""

    models: list[str] = Field(["fashion-gan"], min_length=1)
    """Names of the models to load."""

    num_instances: int = Field(0, ge=0, le=256)
    """Copies of each generator that run at a time; 0: as many as are fastest, which is one on a GPU."""

    threads_per_instance: int = Field(0, ge=0, le=1024)
    """Threads of the arithmetic of each copy; 0: as many as are fastest."""

    max_batch_size: int = Field(64, ge=1, le=4096)
    """Images a pass at most."""

    max_queued_images: int = Field(4096, ge=1)
    """Images that may wait for each model; requests beyond are refused with RESOURCE_EXHAUSTED."""

    max_wait_seconds: float = Field(60.0, gt=0, le=3600)
    """Seconds that a request may be expected to wait before it begins; one that would wait longer, or could not be done
    by its own deadline, is refused at once with RESOURCE_EXHAUSTED."""

    max_caller_share: float = Field(0.75, gt=0, le=1)
    """Of the images that may wait, the part that one caller may hold, at least those of one request. Callers are
    distinguished by API key, without keys by address."""

    max_images_per_request: int = Field(1024, ge=1)
    """Images that one Sample or Discriminate may ask for, if their reply fits `max_reply_bytes`."""

    max_decoded_bytes: int = Field(64 * MAX_MESSAGE_BYTES, ge=0)
    """Bytes that the images in all open Discriminate requests for a model may take together, as float32. One caller may
    hold `max_caller_share` of them. A request beyond is refused with RESOURCE_EXHAUSTED before its images are decoded;
    one is accepted in any case while no other has images."""

    max_images_per_stream: int = Field(100_000, ge=1)
    """Images that one SampleStream may ask for."""

    max_reply_bytes: int = Field(MAX_MESSAGE_BYTES, ge=1024, lt=2**31)
    """Bytes of a reply of Sample or Discriminate, beyond which it is refused before the work, and of a part of
    SampleStream without images_per_message. gRPC clients accept 4 MiB by default."""

    max_part_bytes: int = Field(16 * MAX_MESSAGE_BYTES, ge=1024, lt=2**31)
    """Bytes of a part of SampleStream whose caller chose images_per_message."""

    max_ahead_bytes: int = Field(64 * MAX_MESSAGE_BYTES, ge=0)
    """Bytes of parts that are made before their readers have taken the ones before, of all streams together. Each
    stream has one part beside that."""

    max_batch_delay_seconds: float = Field(0.0, ge=0.0, le=1.0)
    """Seconds that the first image of a batch may wait for others while the model is free. In any case, after a batch
    has been answered, an eighth of a pass of one image, if that is at least half a millisecond."""

    @model_validator(mode="after")
    def _fits(self) -> "GanSettings":
        if self.max_images_per_request > self.max_queued_images:
            raise ValueError(f"max_queued_images {self.max_queued_images} is less than max_images_per_request")
        return self
