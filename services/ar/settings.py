"""Settings of the sequential backend."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from runtime.settings import ProcessSettings


class ArSettings(ProcessSettings):
    """The sequential backend: transformers that generate one token after another, of texts or of pictures."""

    port: int = Field(50051, ge=0, le=65535)
    """gRPC port; 0 takes a free one."""

    metrics_port: int = Field(9101, ge=0, le=65535)
    """Prometheus port."""

    models_dir: Path = Path("models")
    """The model repository: one folder a model."""

    models: list[str] = Field(["smollm2-135m-instruct", "fashion-ar"], min_length=1)
    """Names of the models to load."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the models run; auto takes a GPU where there is one."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """What weights and cache are held as: bfloat16 is about twice as fast and half as large, but the batch that a
    request rides in can then change its tokens."""

    exact: Literal["auto", "on", "off"] = "auto"
    """Whether an output is the same to the last bit whatever runs beside it: auto where that can be had, in float32 on
    a CPU with oneDNN; with on, a process that can't have it does not start."""

    num_threads: int = Field(0, ge=0, le=1024)
    """Threads of each model's arithmetic; 0: one a core for a text model, one in all for an image model."""

    max_context_tokens: int = Field(2048, ge=16)
    """Tokens that prompt and output may have together, if the model allows as many."""

    kv_cache_tokens: int = Field(16_384, ge=16)
    """Tokens that the KV cache of each model holds, over all sequences."""

    block_size: int = Field(16, ge=1, le=256)
    """Tokens a block of the KV cache."""

    max_num_sequences: int = Field(64, ge=1, le=1024)
    """Sequences that run at a time, for each model."""

    max_queued_sequences: int = Field(256, ge=0)
    """Sequences that may wait beyond those; more are refused with RESOURCE_EXHAUSTED."""

    max_batch_tokens: int = Field(256, ge=1)
    """Tokens a step: bounds how long a new prompt can hold up running streams."""

    prefix_cache: bool = True
    """Whether texts that begin alike compute their beginning once; with exact, in pieces of 128 tokens."""

    diversity_every: int = Field(32, ge=0)
    """Of so many pictures drawn, one is watched for diversity, where the model has a baseline; 0: none."""

    @model_validator(mode="after")
    def _fits(self) -> "ArSettings":
        if self.max_context_tokens > self.kv_cache_tokens:
            raise ValueError(f"kv_cache_tokens {self.kv_cache_tokens} is less than max_context_tokens")
        if self.max_batch_tokens < self.max_num_sequences:
            raise ValueError(f"max_batch_tokens {self.max_batch_tokens} is less than max_num_sequences")
        return self
