"""The result of a comparison: both models are asked for the same thing, one image of a class, in four modes; or a
sequential one in several numbers of steps, which shows what each costs and buys.

The four modes are {sequential, parallel} x {streamed, unary}. Everything is per request, and a request is one image.
"""

from typing import Literal

from tandem.measure.results.header import Header, ServedModel
from tandem.measure.results.load import ErrorText
from tandem.measure.results.quality import Nearness, Quality
from tandem.measure.results.value import Distribution, Part, Phases, Repeated, Summary, Value
from tandem.measure.scenario import Delivery, Paradigm

Metric = Literal[
    "latency_p50_seconds",
    "latency_p99_seconds",
    "first_output_p50_seconds",
    "images_per_second",
    "cpu_seconds_per_image",
]


ALONE = 1
"""Callers of what is called alone everywhere."""


class Settings(Part):
    """What was asked for. A comparison can be repeated from it: classes, seeds and the order all come from `seed`.

    `concurrencies`: callers, each of which asks again when it has its image; the least is one, an image alone. Every
    round trials every concurrency in every mode, for `trial_seconds` at least. `control`: the unary modes are in every
    round once more, see Comparison.controls. `slo_seconds`: the whole image within this time, at p99. `confidence`: of
    all intervals. `quality_images`: most images of each model that quality is measured of; 0: it is not measured.
    """

    concurrencies: tuple[int, ...] = (1, 8, 64)
    num_rounds: int = 3
    trial_seconds: float = 0.5
    slo_seconds: float = 0.25
    quality_images: int = 2_000
    confidence: float = 0.95
    seed: int = 1
    control: bool = True
    steps: tuple[int, ...] = ()
    num_scored: int = 0


class Point(Part):
    """One point of a latency-throughput curve: so many callers, over all rounds. Counts images, not errors.

    Every trial begins with one request of each caller that is not counted. `figures` by Metric, and: p99 of the first
    output; CPU seconds an image of the gateway, a backend and the client, each of all threads by its own account,
    cpu_seconds_per_image being those of gateway and backend together; and how long a trial lasted. What is not there
    nobody knows; a p99 neither where fewer than one value lies beyond it. first_output: until the first message that
    carries an output: a token, or the image. latency: until the image is there, and the call at its end. Both are of
    requests that ended well. client_cpu_share: of one core; near 1 the client was the limit, and the rate is its own.
    """

    concurrency: int
    num_images: int
    num_errors: int
    figures: dict[str, Repeated]
    latency: Distribution
    first_output: Distribution
    phases: Phases | None
    batch_size: Summary
    client_cpu_share: float


class Capacity(Part):
    """The highest rate of the closed loop's points whose p99 stayed within `slo_seconds`, and its callers.

    An open loop can bear less, as its arrivals are uneven: crossover.Capacity is of open loops. None: not even the
    least load tried met the objective. is_lower_bound: the greatest load tried met it, too.
    """

    slo_seconds: float
    images_per_second: float | None
    concurrency: int | None
    is_lower_bound: bool


class ModeResult(Part):
    """Everything measured of one mode."""

    name: str  # such as "sequential streamed"
    paradigm: Paradigm
    delivery: Delivery
    rpc: str
    model: str
    curve: tuple[Point, ...]  # by concurrency
    capacity: Capacity | None  # None without a curve
    codes: dict[str, int]  # by gRPC status, of all requests that were to be counted
    errors: tuple[ErrorText, ...]

    @property
    def alone(self) -> Point | None:
        """An image alone: one caller, who asks again when it has its image. None if no round was complete."""
        return next((point for point in self.curve if point.concurrency == ALONE), None)


class Contrast(Part):
    """Two modes on the same footing: in the same rounds, next to each other in time. `difference` is first - second,
    `ratio` first / second, with intervals that resample rounds, so what disturbed a round disturbs both. Both are the
    medians of what single rounds say, where each round tells the metric; else, as of a p99 of few requests, they are of
    `first_value` and `second_value`, which are of all rounds together.
    """

    first: str  # names of modes
    second: str
    concurrency: int
    metric: Metric
    first_value: float
    second_value: float
    difference: Value
    ratio: Value | None  # None if second is 0


class JudgedImages(Part):
    """How good what was served is: `model` of the served images, `floor` of as many real ones (training images).

    Of the images served, the first of each class, as many of each class and of both models. `views`: FID again, and the
    distances by pixels and gradients, each with the 95 % interval of drawing other images.
    """

    model: Quality
    floor: Quality
    views: Nearness


class Served(Part):
    """The images of one model, in one number of steps, in this run, over all modes that draw the same ones. `steps`
    None: as the model draws by itself.

    `bits_per_token`: of test images given their classes, by `Score`, as what draws in so many steps has it; None if the
    model cannot say. `bits_over_most`: how much more that is than in the most steps; of the same images, so much surer.
    `predicted_over_most`: the same as the sum of the measured costs of the steps, of other images, with nothing fitted
    (the Riemann sum of an information curve: Chen, Cong and Li 2025, arXiv 2511.04647); None if the repository has no
    costs of the model.
    """

    paradigm: Paradigm
    model: str
    steps: int | None = None
    num_images: int  # served and counted
    samples_png: str  # base64; one row a class, up to ten images each
    num_samples_per_class: int
    quality: JudgedImages | None
    bits_per_token: Value | None = None
    bits_over_most: Value | None = None
    predicted_over_most: float | None = None


class Judgement(Part):
    """What quality was measured with. `reason`: why it was not measured; empty if it was."""

    reason: str
    data_set: str | None = None
    num_test_images: int | None = None
    judge: str | None = None
    judge_sha256: str | None = None


class CpuSource(Part):
    """Where a process tells of its CPU seconds, and why not, if it does not."""

    process: Literal["gateway", "sequential backend", "parallel backend"]
    metrics_address: str | None
    is_known: bool
    note: str


class BesideResult(Part):
    """What was measured in the same rounds, served at `address`; its images are not judged.

    The same two models in another form, of one precision, asked in unary calls. Or a sequential server of another make,
    without a form, asked by OpenAI's API for a text of `num_tokens` tokens behind a word: as many as an image of ours
    has, so that the steps match, but no image. An "image" in the figures of `modes` is such a text. Queue, phases, CPU
    time and quality are not known, and left out.
    """

    address: str
    form: str = ""
    num_tokens: int | None = None
    models: tuple[ServedModel, ...]  # sequential, parallel
    modes: tuple[ModeResult, ...]
    contrasts: tuple[Contrast, ...]  # of a foreign mode to ours of the same delivery


class Work(Part):
    """What one request is, such as "a text of 64 tokens": it brings so many outputs, each a `unit`."""

    name: str
    unit: Literal["token", "image"]
    num_outputs: int


class Comparison(Header):
    """One comparison. `seconds`: how long it took. `work` by paradigm. is_matched: both do the same; if not, an "image"
    in the figures is such a request, no paradigm is held against the other, and `class_names` is empty.

    Or one measurement over steps, of unary modes in several numbers of steps of `models[0]`, beside the parallel
    `models[1]` and a sequential one without steps, `models[2]`. `num_scored`: test images whose likelihood was told.
    """

    kind: Literal["comparison", "steps"] = "comparison"
    seconds: float
    class_names: tuple[str, ...]
    is_matched: bool = True
    work: dict[Paradigm, Work] = {}
    settings: Settings
    modes: tuple[ModeResult, ...]
    contrasts: tuple[Contrast, ...]
    controls: tuple[Contrast, ...] = ()  # of a mode to the same one: how far equal things differ here
    foreign: BesideResult | None = None
    beside: BesideResult | None = None
    served: tuple[Served, ...]  # in the order of the unary modes
    num_scored: int = 0
    judgement: Judgement
    cpu_sources: tuple[CpuSource, ...]
