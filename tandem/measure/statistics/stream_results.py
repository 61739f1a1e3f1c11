"""From the record of a run to what a document says of each stream of requests. Knows neither processes nor servers."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.results.load import Conversations, ErrorText, Goodput, Outcomes, Rates, StreamResult, Turn
from tandem.measure.results.record import CODE_NAMES, Outcome, Record, Table
from tandem.measure.results.value import PHASES, Phase, Phases, Summary
from tandem.measure.scenario import Scenario, Workload
from tandem.measure.statistics.quantiles import distribution, nearest_rank, summary

_MAX_ERROR_TEXTS = 10
_BACKEND_PHASES = {
    "sequential": ("queue", "prefill", "decode", "encode"),
    "parallel": ("queue", "batch_wait", "compute", "encode"),
    "": (),
}


def window_seconds(scenario: Scenario, record: Record, stopped_at: Sequence[float]) -> float:
    """Return how long the load lasted, from the end of the warm-up: until it was stopped, or else its set duration, or
    else until the last reply.
    """
    ended = record.requests["ended"][is_measured(record)]
    last = float(np.max(ended)) if len(ended) else 0.0
    duration = scenario.duration_seconds
    # A load that ended by number is over with its last reply.
    has_all = scenario.num_requests is not None and len(ended) >= scenario.num_requests
    whole = last if duration is None or has_all else duration
    return max(0.0, min([whole, *stopped_at]))


def is_measured(record: Record) -> NDArray[np.bool_]:
    """Return which requests were not of the warm-up."""
    return np.asarray(record.requests["intended"] >= 0.0)


def stream_results(scenario: Scenario, record: Record, window: float) -> tuple[StreamResult, ...]:
    """Return what was measured of each stream of requests."""
    return tuple(_stream_result(number, workload, record, window) for number, workload in enumerate(scenario.workloads))


def _stream_result(number: int, workload: Workload, record: Record, window: float) -> StreamResult:
    of_workload = record.requests[record.requests["workload"] == number]
    rows = of_workload[of_workload["intended"] >= 0.0]
    good = rows[rows["outcome"] == Outcome.OK]
    latency = good["ended"] - good["intended"]
    first_output = good["first_output"] - good["intended"]
    has_first = ~np.isnan(first_output)
    outcomes = _outcomes(rows, int(record.num_dropped[number]), int(record.num_abandoned[number]))
    return StreamResult(
        name=workload.name,
        kind=workload.kind,
        paradigm=workload.paradigm,
        delivery=workload.delivery,
        api=workload.api,
        rpc=workload.rpc,
        model=workload.model,
        unit=workload.unit,
        codes=_codes(rows),
        outcomes=outcomes,
        errors=_errors(number, record.error_texts),
        num_outputs=int(np.sum(good["num_outputs"])),
        num_messages=int(np.sum(good["num_messages"])),
        num_prompt_tokens=sum_known(good["num_prompt_tokens"]) if workload.kind == "text" else None,
        num_cached_tokens=sum_known(good["num_cached_tokens"]) if workload.kind == "text" else None,
        num_uncounted=int(np.sum(~good["is_counted"])),
        latency=distribution(latency),
        service=distribution(good["ended"] - good["sent"]),
        first_output=distribution(first_output[has_first]),
        gap=distribution(_gaps(record.messages, good["number"])) if workload.delivery == "streamed" else None,
        time_per_output=_time_per_output(record.messages, good["number"]) if workload.delivery == "streamed" else None,
        rates=_rates(workload, of_workload, record.messages, window),
        goodput=_goodput(workload, rows, of_workload, outcomes, window),
        phases=_phases(workload, good),
        conversations=_conversations(workload, rows) if workload.turns > 1 else None,
        batch_size=summary(good["batch_size"][~np.isnan(good["batch_size"])]),
    )


def sum_known(found: NDArray[np.float64]) -> int | None:
    """Return their sum; None unless all of them are known."""
    return None if not len(found) or np.any(np.isnan(found)) else int(np.sum(found))


def _conversations(workload: Workload, rows: Table) -> Conversations:
    numbers, turns = rows["number"] // workload.turns, rows["number"] % workload.turns
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    is_within = np.bincount(places[_meets_objective(workload, rows)], minlength=len(counts)) == workload.turns
    count = int(np.sum(counts == workload.turns))
    has_objective = workload.slo_seconds is not None or workload.slo_first_output_seconds is not None
    share = float(np.sum(is_within)) / count if has_objective and count else None
    good = rows["outcome"] == Outcome.OK
    found = [_turn(turn + 1, rows[good & (turns == turn)]) for turn in range(workload.turns)]
    return Conversations(count=count, share=share, turns=tuple(found))


def _turn(number: int, good: Table) -> Turn:
    first_output = good["first_output"] - good["intended"]
    return Turn(
        number=number,
        latency=summary(good["ended"] - good["intended"]),
        first_output=summary(first_output[~np.isnan(first_output)]),
        num_prompt_tokens=sum_known(good["num_prompt_tokens"]),
        num_cached_tokens=sum_known(good["num_cached_tokens"]),
    )


def _codes(rows: Table) -> dict[str, int]:
    got_status = rows[rows["outcome"] != Outcome.UNFINISHED]
    numbers, counts = np.unique(got_status["code"], return_counts=True)
    return {CODE_NAMES[number]: count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


def _outcomes(rows: Table, dropped: int, abandoned: int) -> Outcomes:
    sent = {outcome.name.lower(): int(np.sum(rows["outcome"] == outcome)) for outcome in Outcome}
    return Outcomes(planned=len(rows) + dropped + abandoned, dropped=dropped, abandoned=abandoned, **sent)


def _errors(number: int, texts: Counter[tuple[int, str, str]]) -> tuple[ErrorText, ...]:
    own = [(code, text, count) for (workload, code, text), count in texts.most_common() if workload == number]
    return tuple(ErrorText(code=code, text=text, count=count) for code, text, count in own[:_MAX_ERROR_TEXTS])


def _gaps(messages: Table, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    rows = messages[np.isin(messages["number"], numbers)]
    is_same = rows["number"][1:] == rows["number"][:-1]
    return np.asarray(np.diff(rows["at"])[is_same])


def _time_per_output(messages: Table, numbers: NDArray[np.int64]) -> Summary:
    rows = messages[np.isin(messages["number"], numbers)]
    _, firsts, counts = np.unique(rows["number"], return_index=True, return_counts=True)
    lasts = firsts + counts - 1
    totals = np.add.reduceat(rows["num_outputs"], firsts) if len(rows) else np.empty(0)
    behind = totals - rows["num_outputs"][firsts]
    return summary(((rows["at"][lasts] - rows["at"][firsts])[behind > 0]) / behind[behind > 0])


def _rates(workload: Workload, rows: Table, messages: Table, window: float) -> Rates:
    """`rows` are those of the warm-up, too."""
    good = rows[rows["outcome"] == Outcome.OK]
    within = good[_is_within(good["ended"], window)]
    if workload.delivery == "streamed":
        own = messages[np.isin(messages["number"], good["number"])]
        num_outputs = int(np.sum(own["num_outputs"][_is_within(own["at"], window)]))
    else:
        num_outputs = int(np.sum(within["num_outputs"]))
    num_images = num_outputs if workload.unit == "image" else int(np.sum(within["num_images"]))
    return Rates(
        requests=_per_second(len(within), window),
        outputs=_per_second(num_outputs, window),
        images=None if workload.kind in ("text", "method") else _per_second(num_images, window),
    )


def _is_within(instants: NDArray[np.float64], window: float) -> NDArray[np.bool_]:
    return np.asarray((instants >= 0.0) & (instants <= window))


def _per_second(number: int, window: float) -> float:
    return number / window if window > 0.0 else 0.0


def _goodput(workload: Workload, rows: Table, all_rows: Table, outcomes: Outcomes, window: float) -> Goodput | None:
    if workload.slo_seconds is None and workload.slo_first_output_seconds is None:
        return None
    wanted = outcomes.planned - outcomes.cancelled - outcomes.abandoned
    num_within = int(np.sum(_meets_objective(workload, all_rows) & _is_within(all_rows["ended"], window)))
    return Goodput(
        slo_seconds=workload.slo_seconds,
        slo_first_output_seconds=workload.slo_first_output_seconds,
        share=int(np.sum(_meets_objective(workload, rows))) / wanted if wanted else None,
        requests=_per_second(num_within, window),
    )


def _meets_objective(workload: Workload, rows: Table) -> NDArray[np.bool_]:
    meets = rows["outcome"] == Outcome.OK
    if workload.slo_seconds is not None:
        meets &= rows["ended"] - rows["intended"] <= workload.slo_seconds
    if workload.slo_first_output_seconds is not None:
        meets &= rows["first_output"] - rows["intended"] <= workload.slo_first_output_seconds
    return np.asarray(meets)


def _phases(workload: Workload, good: Table) -> Phases | None:
    rows = good[~np.isnan(good["backend_total"])]
    if not len(rows):
        return None
    latency = rows["ended"] - rows["intended"]
    low, high = (nearest_rank(latency, q) for q in (0.45, 0.55))
    is_middle = (latency >= low) & (latency <= high)
    parts = _parts(workload, rows)
    return Phases(
        count=len(rows),
        latency_mean_seconds=float(np.mean(latency)),
        latency_around_p50_seconds=float(np.mean(latency[is_middle])),
        parts={name: _phase(parts[name], is_middle) for name in PHASES if name in parts},
    )


def _phase(seconds: NDArray[np.float64], is_middle: NDArray[np.bool_]) -> Phase:
    return Phase(
        mean_seconds=float(np.mean(seconds)),
        median_seconds=nearest_rank(seconds, 0.5),
        around_p50_seconds=float(np.mean(seconds[is_middle])),
    )


def _parts(workload: Workload, rows: Table) -> dict[str, NDArray[np.float64]]:
    """Return the seconds of each phase of each request; they sum to the latency."""
    told = {name: rows[name] for name in _BACKEND_PHASES[workload.paradigm or ""]}
    lateness = rows["sent"] - rows["intended"]
    return {
        "lateness": lateness,
        **told,
        "backend_other": rows["backend_total"] - sum(told.values()),
        "outside": rows["ended"] - rows["sent"] - rows["backend_total"],
    }
