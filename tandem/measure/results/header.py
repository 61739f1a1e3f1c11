"""What every document begins with: who measured what, where and when, and whether it can be relied on.

A document is JSON, complete in itself. It holds what was measured, fitted or predicted, and nothing is computed in this
room; sentences are made of it in tandem.measure.report. Seconds are seconds, rates are per second.
"""

from datetime import datetime
from typing import Literal

from tandem.measure.results.value import Part, Summary
from tandem.measure.scenario import Paradigm


class Check(Part):
    """One bound that the generator holds itself to."""

    name: str
    value: float
    bound: float
    passed: bool
    text: str


class ProcessUse(Part):
    """What one process of the generator used from the warm-up's start to the last reply."""

    cpu_seconds: float
    wall_seconds: float
    cpu_share: float  # of one core
    num_requests: int
    cpu_seconds_per_request: float | None
    is_real_time: bool = False  # the system let it go first, see tandem.measure.generator.priority
    sender: Literal["compiled", "Python"] = "Python"  # Python: HTTP, TLS, or where nothing can be compiled


class Audit(Part):
    """Whether the generator itself was good enough. lateness: actual after intended start, of all that was sent;
    loop_lag: how late the sender woke for a heartbeat, so late at the most any message may have been seen.
    """

    valid: bool
    checks: tuple[Check, ...]
    lateness: Summary
    loop_lag: Summary
    max_outstanding: int
    processes: tuple[ProcessUse, ...]


class Audits(Part):
    """What the audits of all runs of a document come to. num_repeated: runs that were thrown away since their audit
    failed. invalid: runs whose audit failed each time, and why; their figures are in the result all the same. The rest
    is of the worst run.
    """

    num_runs: int
    num_repeated: int
    invalid: tuple[str, ...]
    lateness_p50_seconds: float | None
    loop_lag_p50_seconds: float | None
    cpu_share: float | None  # of one core, in the busiest process
    is_real_time: bool


SCHEMA_VERSION: Literal[11] = 11
"""Of all documents. Only additions keep it."""


class Machine(Part):
    """Where the generator ran; the server too, if `Header.is_local`. Versions are of what is installed here."""

    cpu_model: str
    num_cores: int
    num_usable_cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    operating_system: str
    python: str
    packages: dict[str, str]


class ServedModel(Part):
    """A model as the server tells of it; what a paradigm does not have is None or empty."""

    paradigm: Paradigm
    name: str
    modality: str
    licence: str = ""
    device: str | None = None  # sequential: where it runs
    dtype: str | None = None  # what most of the work is done in
    runtime: str | None = None  # what computes: "native", "torch", "cuda", "onnxruntime" or "openvino"
    num_instances: int | None = None  # that compute at a time
    threads_per_instance: int | None = None
    providers: tuple[str, ...] = ()  # parallel: execution providers that really run it
    fingerprint: str | None = None  # of what it makes: weights, runtime or kernel, precision, processor
    num_parameters: int | None = None
    max_context_tokens: int | None = None
    vocab_size: int | None = None
    tokens_per_image: int | None = None
    window_tokens: int | None = None  # sequential: the most tokens of a text, where it has an order of its own
    takes_steps: bool | None = None  # sequential: whether a step can bring several tokens
    image_shape: tuple[int, ...] = ()
    num_classes: int = 0
    class_names: tuple[str, ...] = ()
    max_batch_size: int | None = None


class Header(Part):
    """The fields that all documents share. `started_at`: when the measurement began, its warm-up included.

    `is_local`: whether `address` is of this machine. `is_partial`: it was broken off. `problems`: what went wrong, such
    as requests that failed, in the words of whoever refused them.
    """

    kind: str
    schema_version: Literal[11] = SCHEMA_VERSION
    tool_version: str
    command: str
    address: str
    is_local: bool
    started_at: datetime
    machine: Machine
    models: tuple[ServedModel, ...]
    is_partial: bool
    problems: tuple[str, ...]
    audits: Audits

    @property
    def is_sound(self) -> bool:
        """Whether it went to its end, with nothing wrong, and was measured well."""
        return not (self.is_partial or self.problems or self.audits.invalid)
