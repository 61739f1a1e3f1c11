"""What to do: which workload, at which load, for how long. Every setting of a run, as the result document keeps it.

Knows nothing of servers. A run can be repeated from it: arrivals, lengths, seeds and cancels all come from `seed`.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tandem.measure.formats import quantity
from tandem.measure.lengths import Lengths

Kind = Literal["text", "image", "images", "method"]
Paradigm = Literal["sequential", "parallel"]
PARADIGMS: tuple[Paradigm, ...] = get_args(Paradigm)
Delivery = Literal["streamed", "unary"]
Unit = Literal["token", "image", "message"]
Api = Literal["tandem", "openai", "openai-chat", "oip"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

MAX_REQUESTS = 20_000_000
_RPCS = {
    ("sequential", "streamed"): "Generate",
    ("sequential", "unary"): "Complete",
    ("parallel", "streamed"): "SampleStream",
    ("parallel", "unary"): "Sample",
}
_OPENAI_PATHS = {"text": "completions", "image": "images/generations", "images": "images/generations"}
_OIP_RPCS = {"streamed": "ModelStreamInfer", "unary": "ModelInfer"}


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Workload(_Settings):
    """A workload: requests of one kind, delivered in one mode.

    text: a language model continues random tokens, its end token ignored. image: a sequential image model draws one
    image of a random class. images: a parallel model draws images of random classes. method: any method of any
    server, with requests that are given beside the scenario; each message is an output.
    """

    kind: Kind
    delivery: Delivery
    api: Api = Field(
        default="tandem",
        description=(
            "The protocol: Tandem's own; OpenAI's completions and images, or its chat, over HTTP; the Open Inference"
            " Protocol over gRPC, with text tensors named as in Triton's vLLM backend."
        ),
    )
    label: str = Field(default="", description="Tells it from another workload that is the same otherwise.")
    method: str = Field(default="", pattern=r"^([\w.]+/\w+)?$", description="method: package.Service/Method.")
    model: str = Field(default="", description="Empty: the only one that does such a workload; a result names it.")
    weight: float = Field(
        default=1.0, gt=0, allow_inf_nan=False, description="Share of the requests, relative to the others."
    )
    output_tokens: Lengths = Field(default=Lengths.model_validate(32), description="text: tokens to generate.")
    prompt_tokens: Lengths = Field(default=Lengths.model_validate(32), description="text: tokens of the prompt.")
    turns: int = Field(
        default=1, ge=1, le=100, description="text: of a conversation; each prompt holds all before, and a new part."
    )
    think_seconds: tuple[float, float] = Field(
        default=(0.0, 0.0), description="Between a turn's last byte and the next turn; uniform between the two."
    )
    common_share: float = Field(
        default=0.0, ge=0, lt=1, description="text: share of the first prompt that all requests begin with."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=10, description="text: sampling temperature; empty: the model's own."
    )
    steps: int | None = Field(
        default=None, ge=1, description="image: steps to draw it in, of a model that takes steps; empty: the model's."
    )
    images: Lengths = Field(default=Lengths.model_validate(1), description="images: how many a request.")
    num_classes: int | None = Field(
        default=None,
        ge=0,
        description="Images by another API: classes to ask for, 0: none; empty: 10. Others: the model's.",
    )
    deadline_seconds: Seconds | None = Field(default=None, description="gRPC deadline, from the actual start.")
    slo_seconds: Seconds | None = Field(default=None, description="Objective: the whole answer within this time.")
    slo_first_output_seconds: Seconds | None = Field(
        default=None, description="Objective: the first output within this time."
    )
    cancel_share: float = Field(default=0.0, ge=0, le=1, description="Share of the requests that are to be cancelled.")
    cancel_after_seconds: tuple[float, float] = Field(default=(0.0, 1.0), description="When; uniform between the two.")

    @model_validator(mode="after")
    def _makes_sense(self) -> "Workload":
        for name in ("cancel_after_seconds", "think_seconds"):
            low, high = getattr(self, name)
            if not 0 <= low <= high < float("inf"):
                raise ValueError(f"{name}: {low:g} to {high:g} is not accepted: 0 <= lowest <= highest")
        if (self.kind == "method") != bool(self.method):
            raise ValueError(
                f"method: {self.method!r} is not accepted for {self.kind}: methods, and they alone, have one"
            )
        if self.api != "tandem":
            self._check_api()
        if self.steps is not None and not (self.kind == "image" and self.is_own):
            by = "" if self.is_own else f" by {self.api}"
            raise ValueError(f"steps: {self.steps} is not accepted for {self.kind}{by}; accepted: for Tandem's images")
        return self

    def _check_api(self) -> None:
        """Raise ValueError unless another server's API can do it."""
        if self.kind == "method" or (self.api == "openai-chat" and self.kind != "text"):
            raise ValueError(f"api: {self.api!r} is not accepted for {self.kind}")
        can_stream = self.kind == "text" or (self.kind, self.api) == ("image", "oip")
        if self.delivery == "streamed" and not can_stream:
            raise ValueError(f"delivery: 'streamed' is not accepted for {self.kind} by {self.api}; accepted: unary")

    @property
    def is_own(self) -> bool:
        """Whether it calls Tandem's own methods, whose servers tell of their models and phases."""
        return self.api == "tandem" and self.kind != "method"

    @property
    def is_http(self) -> bool:
        return self.api in ("openai", "openai-chat")

    @property
    def paradigm(self) -> Paradigm | None:
        """None: of a method, nobody knows."""
        return None if self.kind == "method" else "parallel" if self.kind == "images" else "sequential"

    @property
    def rpc(self) -> str:
        """A method of gRPC, or below which path of OpenAI's API a request goes."""
        if self.api == "oip":
            return _OIP_RPCS[self.delivery]
        if self.api != "tandem":
            return "chat/completions" if self.api == "openai-chat" else _OPENAI_PATHS[self.kind]
        paradigm = self.paradigm
        return self.method.partition("/")[2] if paradigm is None else _RPCS[paradigm, self.delivery]

    @property
    def unit(self) -> Unit:
        """What an output is."""
        return "message" if self.kind == "method" else "image" if self.kind == "images" else "token"

    @property
    def name(self) -> str:
        """What people and tables call it."""
        label = f"({self.label})" if self.label else ""
        api = "" if self.api == "tandem" else f"by {self.api}"
        steps = "" if self.steps is None else quantity(self.steps, "step")
        return " ".join(filter(None, (self.method or self.kind, self.model, steps, self.delivery, api, label)))


class OpenLoop(_Settings):
    """Requests start when they are due, whatever became of those before: a slow server cannot hide its queue.

    With `end_rate_per_second` the rate changes linearly over the run. "trace": when a trace says, at this rate on
    average. Of conversations only first turns are due; each further one follows the one before.
    """

    loop: Literal["open"] = "open"
    arrivals: Literal["poisson", "constant", "trace"] = "poisson"
    rate_per_second: float = Field(gt=0, allow_inf_nan=False)
    end_rate_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class ClosedLoop(_Settings):
    """So many callers, each of which asks again when it has its answer.

    With `end_concurrency` callers join, or leave, linearly over the run.
    """

    loop: Literal["closed"] = "closed"
    concurrency: int = Field(ge=1, le=10_000)
    end_concurrency: int | None = Field(default=None, ge=1, le=10_000)

    @property
    def most(self) -> int:
        return max(self.concurrency, self.end_concurrency or 0)


class Scenario(_Settings):
    """A whole run. It ends after `duration_seconds` or `num_requests`, whichever comes first, warm-up not counted. Rate
    and number are those of conversations, where workloads have several turns.
    """

    workloads: tuple[Workload, ...] = Field(min_length=1)
    load: OpenLoop | ClosedLoop = Field(discriminator="loop")
    duration_seconds: Seconds | None = None
    num_requests: int | None = Field(default=None, ge=1, le=MAX_REQUESTS)
    warm_up_seconds: float = Field(
        default=2.0, ge=0, allow_inf_nan=False, description="The same load, left out of the result."
    )
    drain_seconds: float = Field(
        default=60.0, ge=0, allow_inf_nan=False, description="How long to wait for what is under way at the end."
    )
    num_processes: int = Field(default=1, ge=1, le=64)
    connections_per_process: int = Field(default=4, ge=1, le=64)
    max_outstanding_per_process: int = Field(
        default=4000,
        ge=1,
        description="Open loop: a request that is due while so many are under way is dropped, and counted.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    first_number: int = Field(
        default=0, ge=0, description="Of its requests, which are drawn by seed and number: a study counts on."
    )
    num_places: int | None = Field(
        default=None, ge=1, description="Classes to ask for evenly: each once in so many requests."
    )
    keep_replies: bool = Field(default=False, description="Hand the reply messages back with the record.")

    @model_validator(mode="after")
    def _ends(self) -> "Scenario":
        if self.duration_seconds is None and self.num_requests is None:
            raise ValueError("duration_seconds, num_requests: give at least one of them")
        if self.duration_seconds is None and self.is_ramp:
            raise ValueError("duration_seconds: not given; a ramp needs it")
        if isinstance(self.load, OpenLoop) and self.most_requests > MAX_REQUESTS:
            raise ValueError(
                f"rate x duration: {self.most_requests:.3g} requests; at most {MAX_REQUESTS:,} are accepted"
            )
        if isinstance(self.load, ClosedLoop) and self.num_processes > self.load.concurrency:
            raise ValueError(
                f"num_processes: {self.num_processes} is not accepted: at most the concurrency, {self.load.concurrency}"
            )
        if self.turns > 1 and (len(self.workloads) > 1 or self.num_processes > 1 or self.load.loop == "closed"):
            raise ValueError("turns: more than 1 are accepted of a workload alone, in an open loop of one process")
        if len({workload.is_http for workload in self.workloads}) > 1:
            raise ValueError("workloads: some are over HTTP and some over gRPC; a run has one of them")
        names = [workload.name for workload in self.workloads]
        if len(set(names)) < len(names):
            raise ValueError(f"workloads: {', '.join(names)}: two are the same; kind, model or delivery must differ")
        return self

    @property
    def is_http(self) -> bool:
        """Whether it is sent over HTTP/1.1, not gRPC."""
        return self.workloads[0].is_http

    @property
    def turns(self) -> int:
        """Of each conversation; 1: there are none."""
        return max(workload.turns for workload in self.workloads)

    @property
    def is_ramp(self) -> bool:
        load = self.load
        return (load.end_rate_per_second if isinstance(load, OpenLoop) else load.end_concurrency) is not None

    @property
    def most_requests(self) -> float:
        """Requests of an open loop, about, warm-up included; infinite for a closed one without a number."""
        number = self.num_requests or float("inf")
        if isinstance(self.load, ClosedLoop):
            return number
        first, last = self.load.rate_per_second, self.load.end_rate_per_second or self.load.rate_per_second
        measured = (first + last) / 2 * (self.duration_seconds or float("inf"))
        return min(measured, number) + first * self.warm_up_seconds


def closed_loop(workload: Workload, callers: int, **settings: Any) -> Scenario:
    """Return a scenario of a closed loop with this number of callers and no warm-up."""
    load = ClosedLoop(concurrency=callers)
    return Scenario(workloads=(workload,), load=load, warm_up_seconds=0.0, **settings)
