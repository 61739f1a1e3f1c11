"""What a measurement says, in sentences: how much company brings, where the knee is and why, what context costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.crossover.wording import number
from bench.growth.document import ConcurrencyPoint, ContextPoint, DraftPoint, DraftResult, Growth, LineFit, StepFit
from bench.growth.texts import TEXTS

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


def explanation(growth: Growth) -> Iterator[str]:
    """Yield all that can be said of the points and fits of a document."""
    if growth.concurrency:
        yield _company(growth.concurrency)
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


def _company(points: Sequence[ConcurrencyPoint]) -> str:
    first, last = points[0], points[-1]
    rates = [each.decode_tokens_per_second.median for each in (first, last)]
    return (
        f"{_streams(first.concurrency).capitalize()} {_gets(first.concurrency)} {number(rates[0])} tokens/s,"
        f" {_streams(last.concurrency)} together {number(rates[1])}: {number(rates[1] / rates[0])} times as many, while"
        f" each waits {_ms(last.step_seconds.median)} for a token instead of {_ms(first.step_seconds.median)}."
    )


def _step(fit: StepFit) -> str:
    joined = "plus" if fit.shape == "sum" else "or, where that is longer,"
    return (
        f"A step with b sequences takes about {_ms(fit.shared_seconds)} {joined} {_ms(fit.own_seconds)} * b. The first"
        " term is what a step costs however many are in it: above all its weights, which are read from memory once for"
        " all sequences. The second is each sequence's own: the arithmetic of its token with all weights, reading its"
        " own keys and values, sampling, its message."
    )


def _knee(fit: StepFit, points: Sequence[ConcurrencyPoint]) -> str:
    if fit.knee is None or fit.most_tokens_per_second is None:
        return "A sequence costs nothing of its own that could be measured, so there is no knee up to here."
    low, high = fit.knee_low or 0.0, fit.knee_high or 0.0
    range_text = f" ({number(low)} to {number(high)} by single rounds)" if number(low) != number(high) else ""
    place = f"The knee is at {number(fit.knee)} sequences{range_text}, where both are equal: "
    if fit.shape == "sum":
        place += "half of a step is shared there."
    else:
        place += "until there reading weights takes the longer, and hides the arithmetic."
    if fit.knee > points[-1].concurrency:
        return f"{place} That is beyond what was measured: up to {points[-1].concurrency} company is cheap."
    if fit.knee < points[0].concurrency:
        return f"{place} That is below {points[0].concurrency}: arithmetic dominates everywhere, company brings little."
    reached = points[-1].decode_tokens_per_second.median / fit.most_tokens_per_second
    return (
        f"{place} Below it a further sequence costs less than what it shares. Beyond it arithmetic dominates: tokens/s"
        f" level off towards {number(fit.most_tokens_per_second)}, of which {points[-1].concurrency} streams get"
        f" {reached:.0%}, and each further stream mostly makes the others wait."
    )


def _context(fit: LineFit, points: Sequence[ContextPoint]) -> str:
    first, last = points[0], points[-1]
    text = (
        f"Alone, a token takes {_ms(first.gap_p50_seconds.median)} behind {first.context_tokens:,} tokens and"
        f" {_ms(last.gap_p50_seconds.median)} behind {last.context_tokens:,}: {_ms(fit.per_token_seconds * _PER)} more"
        f" for each {_PER:,} tokens, since attention reads the keys and values of all tokens before."
    )
    if not fit.per_token_seconds:
        return text
    even = fit.base_seconds / fit.per_token_seconds
    return f"{text} At {number(even)} tokens that is as much as all the rest of the step."


def _prefill(fit: LineFit, points: Sequence[ContextPoint]) -> str:
    first, last = points[0], points[-1]
    text = (
        f"The first token is there after {_ms(first.first_token_seconds.median)} with a prompt of"
        f" {first.context_tokens:,} tokens and {_ms(last.first_token_seconds.median)} with {last.context_tokens:,}"
    )
    if not fit.per_token_seconds:
        return f"{text}."
    rate = 1.0 / fit.per_token_seconds
    ratio = rate / first.decode_tokens_per_second.median
    return (
        f"{text}: {number(rate)} tokens/s of prefill by the slope, {number(ratio)} times those of a lone stream's"
        " decode. A prompt's tokens are known beforehand, so many are computed in one step, like those of many streams;"
        " what bounds prefill is arithmetic, as it bounds decode beyond the knee."
    )


def _drafts(points: Sequence[DraftPoint]) -> str:
    cases = [(point, result) for point in points for result in point.results[1:]]
    ranked = sorted(cases, key=lambda case: case[1].ratio.median)
    num_outputs, num_different = sum(each.num_outputs for each in points), sum(each.num_different for each in points)
    same = "all the same as without" if not num_different else f"{num_different} NOT THE SAME as without"
    return (
        "Drafts are the middle ground between sequential and parallel: a step checks several guessed tokens"
        " at once, with arithmetic that lies idle below the knee, and keeps those that hold. They can win only where a"
        " text can be guessed, and the more company there is, the less arithmetic lies idle. At best"
        f" {_with_drafts(*ranked[-1])}; at worst {_with_drafts(*ranked[0])}."
        f" {num_outputs} outputs were compared, {same}."
    )


def _with_drafts(point: DraftPoint, result: DraftResult) -> str:
    return (
        f"{number(result.ratio.median)} times the tokens/s, with {result.tokens_per_message.median:.2f} tokens a step"
        f" ({TEXTS[point.text]}, {_streams(point.concurrency)})"
    )


def _misfit(what: str, fit: StepFit | LineFit) -> Iterator[str]:
    share = f"{fit.worst_relative_residual:.0%}"
    if fit.is_good:
        return
    yield f"POOR: the fit of {what} is {share} off somewhere; what rests on it is no surer than that."


def _streams(count: int) -> str:
    return "one stream" if count == 1 else f"{count} streams"


def _gets(count: int) -> str:
    return "gets" if count == 1 else "get"


def _ms(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
