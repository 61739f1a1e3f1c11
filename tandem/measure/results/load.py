"""The result of a run of the load generator. Times of a run count from the end of its warm-up."""

from typing import Literal

from tandem.measure.results.header import Audit, Header
from tandem.measure.results.value import Distribution, Part, Phases, Summary, Value
from tandem.measure.scenario import Api, Delivery, Kind, Paradigm, Scenario, Unit


class Outcomes(Part):
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


class ErrorText(Part):
    """What servers said, and how often; the most frequent ones."""

    code: str
    text: str
    count: int


class Rates(Part):
    """What came out, per second of the window. Of replies begun in the warm-up, too, and not of those that ended after
    the window: so a steady load has a steady rate, however short the window. `outputs` are tokens or images by message.
    """

    requests: float
    outputs: float
    images: float | None  # whole ones; None for text


class Goodput(Part):
    """Requests within the objective. `share` is of all that were planned, but for those cancelled by us and abandoned;
    `requests` per second of the window, as in Rates.
    """

    slo_seconds: float | None
    slo_first_output_seconds: float | None
    share: float | None
    requests: float


class Turn(Part):
    """The requests that were the same turn of their conversations, and ended well. Tokens are their sums, None where
    not all are known; cached: those of the prompts that a prefix cache knew.
    """

    number: int  # from 1 on
    latency: Summary
    first_output: Summary
    num_prompt_tokens: int | None
    num_cached_tokens: int | None


class Conversations(Part):
    """`count`: those that had all their turns. `share`: of them, within the objective at each turn; None without."""

    count: int
    share: float | None
    turns: tuple[Turn, ...]


class StreamResult(Part):
    """What was measured of one stream of requests. Durations are of the requests that ended well (`outcomes.ok`).

    latency: from the intended start to the last byte; service: the same from the actual start. first_output: from the
    intended start to the first message that carries an output. gap: between messages that carry outputs, within a
    request; time_per_output: of a request, from its first such message to its last, by the outputs behind the first;
    both None for unary calls.
    """

    name: str
    kind: Kind
    paradigm: Paradigm | None  # None: of any method
    delivery: Delivery
    api: Api = "tandem"
    rpc: str
    model: str
    unit: Unit
    codes: dict[str, int]  # by gRPC status, of the requests that got one
    outcomes: Outcomes
    errors: tuple[ErrorText, ...]
    num_outputs: int  # of the requests that ended well
    num_messages: int
    num_prompt_tokens: int | None = None  # of the same requests; None: no server told, or it was not read
    num_cached_tokens: int | None = None  # of their prompts, in a prefix cache; None likewise
    num_uncounted: int = 0  # requests among them whose server told no number of outputs: each message counts as one
    latency: Distribution
    service: Distribution
    first_output: Distribution
    gap: Distribution | None
    time_per_output: Summary | None = None
    rates: Rates
    goodput: Goodput | None  # None without an objective
    phases: Phases | None  # None where no server told its timings
    conversations: Conversations | None = None
    batch_size: Summary  # the backend's word: sequences a step, or images a pass


class Window(Part):
    """`seconds`: from the end of the warm-up to the end of the load; all rates are over it."""

    warm_up_seconds: float
    seconds: float
    drain_seconds: float  # from the end of the load to the last reply
    num_warm_up_requests: int


class Backlog(Part):
    """`slope_per_second`: how many requests more each second, with a confidence of 99 %.

    `grows`: the whole interval is above zero, so the server does not keep up.
    """

    mean: float
    slope_per_second: Value
    grows: bool


class Difference(Part):
    """Of one figure of a stream: `ratio` of B to A, which should be 1, and the `least` relative difference between two
    runs that is more than chance, with a confidence of 95 %.
    """

    stream: str
    figure: str
    ratio: float
    least: float


class Control(Part):
    """Slices of A and B in turn, `num_pairs` of each. One lasts `slice_seconds` or has `slice_requests` requests."""

    num_pairs: int
    slice_seconds: float | None
    slice_requests: int | None
    differences: tuple[Difference, ...]


class Document(Header):
    """One run; `audits` are of it alone, and `audit` says the same in full."""

    kind: Literal["load"] = "load"
    scenario: Scenario
    window: Window
    streams: tuple[StreamResult, ...]
    backlog: Backlog | None = None
    control: Control | None = None
    audit: Audit
