"""Settings of the sequential backend."""

from typing import Literal

from pydantic import Field, model_validator

from runtime.limits import MAX_MESSAGE_BYTES
from runtime.metrics import MetricsNames
from services.common.settings import ServiceSettings


class ArSettings(ServiceSettings):
    """The sequential backend: transformers that generate one token after another, of texts or of images."""

    port: int = Field(50051, ge=0, le=65535)
    """gRPC port; 0 takes a free one."""

    metrics_port: int = Field(9101, ge=0, le=65535)
    """Prometheus port."""

    metrics_names: MetricsNames = "tandem"
    """vllm: the metrics page also has what vLLM measures, under vLLM's names, for what was made for vLLM."""

    models: list[str] = Field(["smollm2-135m-instruct", "fashion-ar"], min_length=1)
    """Names of the models to load."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the models run; auto takes a GPU where there is one. With `provider` auto, token decoders do so, too."""

    kernel: Literal["auto", "native", "torch"] = "auto"
    """What computes on a CPU: the native kernel, compiled at the first start, or torch; auto takes the kernel if there
    is a C++ compiler. On a GPU it is always torch."""

    dtype: Literal["auto", "float32", "bfloat16", "int8", "int4"] = "auto"
    """What the weights are held as. auto: with the native kernel what the model's model.toml recommends, else as their
    file holds them; with torch float32 on a CPU and bfloat16 on a GPU. int8 and int4 are for the native kernel."""

    activation_bits: Literal["8", "16"] = "8"
    """Bits that the native kernel rounds activations to, in groups of 32, for products with weights of 8 bits or fewer.
    8 is as other servers do, but for a text's first 48 positions, which have 16 with the weights that the file has; 16
    answers as float32 does with the same weights, as fast for a lone text, slower for several at a time."""

    kv_cache_dtype: Literal["auto", "float16", "int8"] = "auto"
    """What the native kernel holds keys and values as. int8 takes half of the memory of float16, if heads have a
    multiple of 32 numbers, and with AVX-512 VNNI reads long prompts faster, at a small loss of accuracy. auto: with the
    file's own weights and activations of 8 bits what the model's model.toml recommends; else float32 with weights in
    float32, and float16 with others."""

    exact: Literal["auto", "on", "off"] = "auto"
    """Whether an output is the same to the last bit whatever runs beside it. The native kernel is always exact; with
    auto, torch is exact where it can be, in float32 on a CPU with oneDNN. With on, a process that cannot be exact does
    not start."""

    num_threads: int = Field(0, ge=0, le=1024)
    """Threads of each model's arithmetic; 0: one a core for a text model, one in all for an image model."""

    text_nice: int = Field(5, ge=0, le=19)
    """Nice value that the threads of a text model's arithmetic get on Linux, on top of the process's own: a text uses
    all the cores it gets, and so gives way to image requests and other work that takes a moment. 0: it does not."""

    max_context_tokens: int = Field(2048, ge=16)
    """Tokens that prompt and output may have together, if the model allows as many."""

    kv_cache_tokens: int = Field(0, ge=0)
    """Tokens that the KV cache of each model holds, over all sequences; 0: on a CPU 16,384, on a GPU as many as
    gpu_memory_share allows, up to those of max_num_sequences at full length."""

    gpu_memory_share: float = Field(0.9, gt=0, le=1)
    """Of the GPU memory that is free once a model's weights are there, what its KV cache and steps may take."""

    cuda_graphs: bool = True
    """Whether steps that only decode run as CUDA graphs, captured at the start; on a GPU only."""

    block_size: int = Field(16, ge=1, le=256)
    """Tokens a block of the KV cache."""

    max_num_sequences: int = Field(64, ge=1, le=1024)
    """Sequences that run at a time, for each model."""

    max_queued_sequences: int = Field(256, ge=0)
    """Sequences that may wait beyond those; more are refused with RESOURCE_EXHAUSTED."""

    max_wait_seconds: float = Field(60.0, gt=0, le=3600)
    """Seconds that a request may be expected to wait before it begins; one that would wait longer, or past its own
    deadline, is refused at once with RESOURCE_EXHAUSTED."""

    max_caller_share: float = Field(0.75, gt=0, le=1)
    """Of the sequences that may run and wait, the part that one caller may hold, at least as many as run at a time.
    Callers are distinguished by API key, without keys by address."""

    max_constraint_bytes: int = Field(8 * 2**30, ge=40_000_000)
    """Memory that the constraints of all open requests of a model may take: each counts as 40 MB, the most that one can
    grow to, though most stay below one. One caller may hold `max_caller_share` of it. More requests with a constraint
    are refused with RESOURCE_EXHAUSTED."""

    max_decoded_bytes: int = Field(64 * MAX_MESSAGE_BYTES, ge=0)
    """Bytes that the images in all open Score requests for a model may take together, as float32. One caller may
    hold `max_caller_share` of them. A request beyond is refused with RESOURCE_EXHAUSTED before its images are decoded;
    one is accepted in any case while no other has images."""

    max_batch_tokens: int = Field(256, ge=1)
    """Tokens a step."""

    max_mixed_prefill_tokens: int = Field(48, ge=1)
    """Tokens of prompts in a step of a text model on a CPU in which other texts get their next token: bounds how long
    a new prompt can hold up running streams."""

    prefix_cache: bool = True
    """Whether texts that begin alike compute their beginning once; in blocks of block_size tokens, or of 128 where
    torch computes and is exact."""

    speculative_tokens: int = Field(7, ge=0, le=64)
    """Draft tokens that a text, or an image of a model with a MASK token, may check in a step while few sequences run;
    0: none. A text's are predicted by the draft head that its model has, or copied from where its last tokens occurred
    before; an image's, at most 3, by MASK rows of the step before. The output stays the same, with exact to the last
    bit."""

    @model_validator(mode="after")
    def _fits(self) -> "ArSettings":
        if 0 < self.kv_cache_tokens < self.max_context_tokens:
            raise ValueError(f"kv_cache_tokens {self.kv_cache_tokens} is less than max_context_tokens")
        if self.max_batch_tokens < self.max_num_sequences:
            raise ValueError(f"max_batch_tokens {self.max_batch_tokens} is less than max_num_sequences")
        return self
