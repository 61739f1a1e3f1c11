"""What a measurement of growth says, in sentences and in tables: streams, the knee, context; and the middle ground."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tandem.measure.formats import count, counted, ends, milliseconds, number, seconds
from tandem.measure.report.tables.table import Columns, Table, table_of, value_cell
from tandem.measure.results.comparison import Comparison
from tandem.measure.results.growth import ConcurrencyPoint, ContextPoint, DraftPoint, Growth, LineFit, StepFit
from tandem.measure.results.value import Value
from tandem.measure.scenario import Paradigm
from tandem.measure.studies.growth.texts import TEXTS

METHOD = (
    "Growth: greedy streams of random tokens, new ones each time, so that no prefix cache knows them; the end token is"
    " ignored. All points once a round, in an order that changes; medians of the rounds, and their range.",
    "Tokens/s while all were generating count from the last stream's first token to the first stream's end. A step is"
    " the number of streams by that rate: what a stream waits for a token.",
    "What a step brings to a stream travels in one message, so tokens a message are tokens a step, as long as the"
    " client keeps up: without drafts they are 1 then.",
    "The knee comes from a fit to the medians: a step costs what all share plus, or at least, what each one adds;"
    " whichever is nearer to what was measured.",
)
_PER = 1_000  # tokens of context


def caveats(growth: Growth) -> Iterator[str]:
    """Yield what a reader has to know."""
    most = (growth.models[0].max_context_tokens or 0) - growth.settings.context_new_tokens
    left_out = [f"{tokens:,}" for tokens in growth.settings.contexts if tokens > most]
    if left_out:
        yield f"Contexts left out, as the server takes {most:,} at most: {', '.join(left_out)}."
    if growth.is_local:
        yield (
            "Client and server shared the cores of one machine: what a stream costs of its own includes the client's"
            " share of each message."
        )


def explanation(growth: Growth) -> Iterator[str]:
    """Yield all that can be said of the points and fits of a document."""
    if len(growth.concurrency) > 1:
        yield _together(growth.concurrency)
    if growth.step_fit is not None:
        yield _step(growth.step_fit)
        yield _knee(growth.step_fit, growth.concurrency)
        yield from _misfit("the step's time over the number of streams", growth.step_fit)
    if growth.gap_fit is not None:
        yield _context(growth.gap_fit, growth.context)
        yield from _misfit("a token's time over the context", growth.gap_fit)
    if growth.first_token_fit is not None:
        yield _prefill(growth.first_token_fit, growth.context)
        yield from _misfit("the time to the first token over the prompt", growth.first_token_fit)
    if growth.drafts:
        yield _drafts(growth.drafts)


def _together(points: Sequence[ConcurrencyPoint]) -> str:
    first, last = points[0], points[-1]
    rates = [each.decode_tokens_per_second.value for each in (first, last)]
    gets = "gets" if first.concurrency == 1 else "get"
    return (
        f"{counted(first.concurrency, 'stream')} {gets} {number(rates[0])} tokens/s,"
        f" {counted(last.concurrency, 'stream')} together {number(rates[1])}: {number(rates[1] / rates[0])} times as"
        f" many, while each waits {seconds(last.step_seconds.value)} for a token instead of"
        f" {seconds(first.step_seconds.value)}."
    )


def _step(fit: StepFit) -> str:
    joined = "plus" if fit.shape == "sum" else "or, where that is longer,"
    return (
        f"A step with b sequences takes about {seconds(fit.shared_seconds)} {joined} {seconds(fit.own_seconds)} * b."
        " The first term is what a step costs however many are in it: above all its weights, which are read from"
        " memory once for all sequences. The second is each sequence's own: the arithmetic of its token with all"
        " weights, reading its own keys and values, sampling, its message."
    )


def _knee(fit: StepFit, points: Sequence[ConcurrencyPoint]) -> str:
    if fit.knee is None or fit.most_tokens_per_second is None:
        return "A sequence costs nothing of its own that could be measured, so there is no knee up to here."
    knee, by_rounds = fit.knee.value, ends(fit.knee, number, " to ")
    where = f"{number(knee)} sequences{by_rounds and f' ({by_rounds} by single rounds)'}, where both are equal"
    why = "until there reading weights takes the longer, and hides the arithmetic"
    place = f"The knee is at {where}: {'half of a step is shared there' if fit.shape == 'sum' else why}."
    if knee > points[-1].concurrency:
        return f"{place} That is beyond what was measured: up to {points[-1].concurrency} a further stream is cheap."
    if knee < points[0].concurrency:
        return f"{place} That is below {points[0].concurrency}: arithmetic dominates, further streams bring little."
    reached = points[-1].decode_tokens_per_second.value / fit.most_tokens_per_second
    return (
        f"{place} Below it a further sequence costs less than what it shares. Beyond it arithmetic dominates: tokens/s"
        f" level off towards {number(fit.most_tokens_per_second)}, of which {points[-1].concurrency} streams get"
        f" {reached:.0%}, and each further stream mostly makes the others wait."
    )


def _context(fit: LineFit, points: Sequence[ContextPoint]) -> str:
    first, last = points[0], points[-1]
    text = (
        f"Alone, a token takes {seconds(first.gap_p50_seconds.value)} behind {first.context_tokens:,} tokens and"
        f" {seconds(last.gap_p50_seconds.value)} behind {last.context_tokens:,}:"
        f" {seconds(fit.per_token_seconds * _PER)} more for each {_PER:,} tokens, since attention reads the keys and"
        " values of all tokens before."
    )
    if not fit.per_token_seconds:
        return text
    even = fit.base_seconds / fit.per_token_seconds
    return f"{text} At {number(even)} tokens that is as much as all the rest of the step."


def _prefill(fit: LineFit, points: Sequence[ContextPoint]) -> str:
    first, last = points[0], points[-1]
    text = (
        f"The first token is there after {seconds(first.first_token_seconds.value)} with a prompt of"
        f" {first.context_tokens:,} tokens and {seconds(last.first_token_seconds.value)} with {last.context_tokens:,}"
    )
    if not fit.per_token_seconds:
        return f"{text}."
    rate = 1.0 / fit.per_token_seconds
    ratio = rate / first.decode_tokens_per_second.value
    return (
        f"{text}: {number(rate)} tokens/s of prefill by the slope, {number(ratio)} times those of a lone stream's"
        " decode. A prompt's tokens are known beforehand, so many are computed in one step, like those of many streams;"
        " what bounds prefill is arithmetic, as it bounds decode beyond the knee."
    )


def _drafts(points: Sequence[DraftPoint]) -> str:
    cases = [(point, result) for point in points for result in point.results[1:]]
    ranked = sorted(cases, key=lambda case: case[1].ratio.value)
    worst, best = (
        f"{number(result.ratio.value)} times the tokens/s, with {result.tokens_per_message.value:.2f} tokens a step"
        f" ({TEXTS[point.text]}, {counted(point.concurrency, 'stream')})"
        for point, result in (ranked[0], ranked[-1])
    )
    num_outputs, num_different = sum(each.num_outputs for each in points), sum(each.num_different for each in points)
    same = "all the same as without" if not num_different else f"{num_different} NOT THE SAME as without"
    return (
        "Drafts are the middle ground between sequential and parallel: a step checks several guessed tokens"
        " at once, with arithmetic that lies idle below the knee, and keeps those that hold. They can win only where a"
        " text can be guessed, and the more streams there are, the less arithmetic lies idle. At best"
        f" {best}; at worst {worst}. {num_outputs} outputs were compared, {same}."
    )


def _misfit(what: str, fit: StepFit | LineFit) -> Iterator[str]:
    if not fit.is_good:
        off = f"{fit.worst_relative_residual:.0%}"
        yield f"POOR: the fit of {what} is {off} off somewhere; what rests on it is no surer than that."


_ONE = Value(value=1.0, count=1)


@dataclass(frozen=True)
class GenerationMode:
    """`outputs_per_pass`: tokens that a pass of the model brings to one request, in the mean; of an image that is
    drawn in one pass, the tokens that the sequential model needs for one. `speed`: relative to the sequential mode.
    """

    kind: str
    name: str
    workload: str
    outputs_per_pass: float
    speed: Value


def modes_between(growth: Growth, comparison: Comparison | None) -> list[GenerationMode]:
    """Return what was measured between one output a pass of the model and all in one pass; without drafts there is
    nothing between, and so nothing to show. Texts and images are different workloads, so each mode is compared with
    the sequential one of its own.
    """
    modes = []
    for point in growth.drafts:
        text, (first, *others) = TEXTS[point.text], point.results
        workload = f"{text}, {counted(point.concurrency, 'stream')}"
        modes.append(GenerationMode("sequential", "sequential", workload, first.tokens_per_message.value, _ONE))
        for each in others:
            name, tokens = f"sequential, {each.server.label}", each.tokens_per_message.value
            modes.append(GenerationMode(f"drafts, {text}", name, workload, tokens, each.ratio))
    return [*modes, *_image_modes(comparison)] if modes and comparison is not None else modes


def _image_modes(comparison: Comparison) -> list[GenerationMode]:
    """Return the two modes of making an image, asked for by one caller; none if the comparison does not hold both."""
    steps = next((model.tokens_per_image for model in comparison.models if model.tokens_per_image), None)
    waits: dict[Paradigm, float] = {
        mode.paradigm: mode.alone.latency.p50.value
        for mode in comparison.modes
        if mode.delivery == "unary" and mode.alone is not None and mode.alone.latency.p50 is not None
    }
    if steps is None or len(waits) < 2:
        return []
    speed = waits["sequential"] / waits["parallel"]
    return [
        GenerationMode("sequential", "sequential", "an image, alone", 1.0, _ONE),
        GenerationMode("parallel", "parallel", "an image, alone", steps, Value(value=speed, count=1)),
    ]


_STREAMS: Columns[ConcurrencyPoint] = {
    "streams": lambda point: count(point.concurrency),
    "tokens/s\nall generating": lambda point: value_cell(point.decode_tokens_per_second, number),
    "tokens/s\nprompts included": lambda point: value_cell(point.whole_tokens_per_second, number),
    "a step, ms": lambda point: value_cell(point.step_seconds, milliseconds),
    "gap p50, ms": lambda point: value_cell(point.gap_p50_seconds, milliseconds),
    "first token\np50, ms": lambda point: value_cell(point.first_token_p50_seconds, milliseconds),
}
_CONTEXTS: Columns[ContextPoint] = {
    "tokens of context": lambda point: count(point.context_tokens),
    "first token, ms": lambda point: value_cell(point.first_token_seconds, milliseconds),
    "prefill tokens/s": lambda point: value_cell(point.prefill_tokens_per_second, number),
    "gap p50, ms": lambda point: value_cell(point.gap_p50_seconds, milliseconds),
    "decode tokens/s": lambda point: value_cell(point.decode_tokens_per_second, number),
}
_MODES: Columns[GenerationMode] = {
    "workload": lambda mode: mode.workload,
    "mode": lambda mode: mode.name,
    "outputs a pass": lambda mode: number(mode.outputs_per_pass),
    "times as fast as sequential": lambda mode: value_cell(mode.speed, number),
}


def growth_tables(growth: Growth, modes: Sequence[GenerationMode] = ()) -> list[Table]:
    """Return those that have a row."""
    tables = (
        table_of("Over streams: medians of the rounds (range)", growth.concurrency, _STREAMS),
        table_of("Over context, one stream: medians of the rounds (range)", growth.context, _CONTEXTS),
        table_of("Between sequential and parallel", modes, _MODES),
    )
    return [table for table in tables if table.rows]
