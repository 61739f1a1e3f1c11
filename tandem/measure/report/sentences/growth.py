"""What a measurement says, in sentences: what further streams bring, where the knee is and why, what context costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tandem.measure.formats import counted, ends, number, seconds
from tandem.measure.results.growth import (
    ConcurrencyPoint,
    ContextPoint,
    DraftPoint,
    DraftResult,
    Growth,
    LineFit,
    StepFit,
)
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
LOCAL = (
    "Client and server shared the cores of one machine: what a stream costs of its own includes the client's share of"
    " each message."
)
_PER = 1_000  # tokens of context


def caveats(growth: Growth) -> Iterator[str]:
    """Yield what a reader has to know."""
    most = (growth.models[0].max_context_tokens or 0) - growth.settings.context_new_tokens
    left_out = [f"{tokens:,}" for tokens in growth.settings.contexts if tokens > most]
    if left_out:
        yield f"Contexts left out, as the server takes {most:,} at most: {', '.join(left_out)}."
    if growth.is_local:
        yield LOCAL


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
    return (
        f"{counted(first.concurrency, 'stream')} {_gets(first.concurrency)} {number(rates[0])} tokens/s,"
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
    knee = fit.knee.value
    range_text = ends(fit.knee, number, " to ")
    by_rounds = f" ({range_text} by single rounds)" if range_text else ""
    place = f"The knee is at {number(knee)} sequences{by_rounds}, where both are equal: "
    if fit.shape == "sum":
        place += "half of a step is shared there."
    else:
        place += "until there reading weights takes the longer, and hides the arithmetic."
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
    num_outputs, num_different = sum(each.num_outputs for each in points), sum(each.num_different for each in points)
    same = "all the same as without" if not num_different else f"{num_different} NOT THE SAME as without"
    return (
        "Drafts are the middle ground between sequential and parallel: a step checks several guessed tokens"
        " at once, with arithmetic that lies idle below the knee, and keeps those that hold. They can win only where a"
        " text can be guessed, and the more streams there are, the less arithmetic lies idle. At best"
        f" {_with_drafts(*ranked[-1])}; at worst {_with_drafts(*ranked[0])}."
        f" {num_outputs} outputs were compared, {same}."
    )


def _with_drafts(point: DraftPoint, result: DraftResult) -> str:
    return (
        f"{number(result.ratio.value)} times the tokens/s, with {result.tokens_per_message.value:.2f} tokens a step"
        f" ({TEXTS[point.text]}, {counted(point.concurrency, 'stream')})"
    )


def _misfit(what: str, fit: StepFit | LineFit) -> Iterator[str]:
    share = f"{fit.worst_relative_residual:.0%}"
    if fit.is_good:
        return
    yield f"POOR: the fit of {what} is {share} off somewhere; what rests on it is no surer than that."


def _gets(count: int) -> str:
    return "gets" if count == 1 else "get"
