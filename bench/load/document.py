"""The result of a run: one JSON document, complete in itself, with the version of its schema.

What is read here is what was measured; nothing is computed in this file. Seconds are seconds, rates are per second,
times of a run count from the end of its warm-up. Only additions keep `SCHEMA_VERSION`.
"""

from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from bench.load.scenario import Delivery, Kind, Paradigm, Scenario

Result = TypeVar("Result", bound=BaseModel)

SCHEMA_VERSION: Literal[2] = 2

# Where a request's time went, in the order of its life. `lateness` is the generator's own: from the intended start to
# the actual one. `queue` begins with the arrival at the gateway's proxy, or at a backend that is asked alone.
# `backend_other` is what the backend spent outside its phases, `residual` what it does not account for: the proxy's
# own work, the network, and the client itself.
PHASES = (
    "lateness",
    "queue",
    "prefill",
    "batch_wait",
    "decode",
    "compute",
    "encode",
    "backend_other",
    "residual",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Summary(_Part):
    """A measured quantity. A quantile is a value that occurred (nearest rank); None when too few values can show it,
    less than one beyond it. All None when there is no value.
    """

    count: int
    mean: float | None
    std: float | None
    min: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None


class Histogram(_Part):
    """`counts[i]` values lie in (bounds[i - 1], bounds[i]]; the last count is of those above all bounds.

    The bounds are those of the servers' own histograms (runtime.metrics.SECONDS_BUCKETS), but here counts do not add up
    from bucket to bucket.
    """

    bounds_seconds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_seconds: float


class Distribution(_Part):
    """A duration: its quantiles and its histogram."""

    seconds: Summary
    histogram: Histogram


class Fates(_Part):
    """What became of the requests that were meant to be sent: each is in exactly one of these.

    cancelled: by us, as the scenario wants it. deadline: DEADLINE_EXCEEDED. error: any other status. unfinished: still
    under way when the drain ended or the run was broken off. dropped: due, but not sent, as the generator could not.
    abandoned: not due yet when the run was broken off.
    """

    planned: int
    ok: int
    error: int
    deadline: int
    cancelled: int
    unfinished: int
    dropped: int
    abandoned: int


class ErrorText(_Part):
    """What servers said, and how often; the most frequent ones."""

    code: str
    text: str
    count: int


class Rates(_Part):
    """What came out, per second of the window. Of answers begun in the warm-up, too, and not of those that ended after
    the window: so a steady load has a steady rate, however short the window. `outputs` are tokens or images by message.
    """

    requests: float
    outputs: float
    images: float | None  # whole ones; None for text


class Goodput(_Part):
    """Requests within the objective. `share` is of all that were planned, but for those cancelled by us and abandoned;
    `requests` per second of the window, as in Rates.
    """

    slo_seconds: float | None
    slo_first_output_seconds: float | None
    share: float | None
    requests: float


class Phase(_Part):
    """`mean_seconds` of all phases sum to `Phases.latency_mean_seconds`, `around_p50_seconds` likewise; medians do not
    sum, as medians do.
    """

    mean_seconds: float
    median_seconds: float
    around_p50_seconds: float


class Phases(_Part):
    """Where the time went, of `count` requests that ended well and told it. Keys of `parts` are PHASES, in that order,
    without those that the paradigm does not have.

    `around_p50_seconds` are means over the middle tenth of the requests by latency (45 to 55 %): what the median
    request is made of.
    """

    count: int
    latency_mean_seconds: float
    latency_around_p50_seconds: float
    parts: dict[str, Phase]


class StreamResult(_Part):
    """What was measured of one stream of work. Durations are of the requests that ended well (`fates.ok`).

    latency: from the intended start to the last byte; service: the same from the actual start. first_output: from the
    intended start to the first message that carries an output. gap: between messages that carry outputs, within a
    request; None for unary calls.
    """

    name: str
    kind: Kind
    paradigm: Paradigm
    delivery: Delivery
    rpc: str
    model: str
    unit: Literal["token", "image"]
    codes: dict[str, int]  # by gRPC status, of the requests that got one
    fates: Fates
    errors: tuple[ErrorText, ...]
    num_outputs: int  # of the requests that ended well
    num_messages: int
    latency: Distribution
    service: Distribution
    first_output: Distribution
    gap: Distribution | None
    rates: Rates
    goodput: Goodput | None  # None without an objective
    phases: Phases | None  # None where no server told its timings
    batch_size: Summary  # the backend's word: sequences a step, or images a pass


class Check(_Part):
    """One bound that the generator holds itself to."""

    name: str
    value: float
    bound: float
    passed: bool
    text: str


class ProcessUse(_Part):
    """What one process of the generator used from the warm-up's start to the last answer."""

    cpu_seconds: float
    wall_seconds: float
    cpu_share: float  # of one core
    num_requests: int
    cpu_seconds_per_request: float | None
    is_real_time: bool = False  # the system let it go first, see bench.load.priority


class Audit(_Part):
    """Whether the generator itself was good enough for its figures to mean anything.

    lateness: actual after intended start, of all that was sent. loop_lag: how late the event loop woke for a heartbeat:
    as late as that any message may have been seen.
    """

    valid: bool
    checks: tuple[Check, ...]
    lateness: Summary
    loop_lag: Summary
    max_outstanding: int
    processes: tuple[ProcessUse, ...]


class Window(_Part):
    """`seconds`: from the end of the warm-up to the end of the load; all rates are over it."""

    started_at: datetime
    warm_up_seconds: float
    seconds: float
    drain_seconds: float  # from the end of the load to the last answer
    num_warm_up_requests: int


class Machine(_Part):
    """Where the generator ran; the server too, if `Document.is_local`. Versions are of what is installed here."""

    cpu_model: str
    num_cores: int
    num_usable_cores: int
    memory_bytes: int
    gpus: tuple[str, ...]
    operating_system: str
    python: str
    packages: dict[str, str]


class ServedModel(_Part):
    """A model as the server tells of it; what a paradigm does not have is None or empty."""

    paradigm: Paradigm
    name: str
    modality: str
    licence: str
    device: str | None  # sequential: where it runs
    dtype: str | None
    providers: tuple[str, ...]  # parallel: execution providers that really run it
    fingerprint: str | None = None  # of what it makes: weights, runtime or kernel, precision, processor
    num_parameters: int | None
    max_context_tokens: int | None
    vocab_size: int | None
    tokens_per_image: int | None
    image_shape: tuple[int, ...]
    num_classes: int
    max_batch_size: int | None


class Document(_Part):
    """One run. `is_partial`: it was broken off, and `problems` says why; they also tell of failed requests."""

    schema_version: Literal[2] = SCHEMA_VERSION
    tool_version: str
    address: str
    is_local: bool
    is_partial: bool
    problems: tuple[str, ...]
    machine: Machine
    models: tuple[ServedModel, ...]
    scenario: Scenario
    window: Window
    streams: tuple[StreamResult, ...]
    audit: Audit


def read_document(path: Path) -> Document:
    """Return the document in a file. Raises OSError, and ValueError for anything that is no such document."""
    return read_result(path, Document, "tandem bench", SCHEMA_VERSION)


def read_result(path: Path, kind: type[Result], command: str, schema_version: int) -> Result:
    """Return what `command` wrote. Raises OSError, and ValueError for anything else."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        text = f"{path}: not a result of `{command}` (schema version {schema_version}): {error}"
        raise ValueError(text) from None
