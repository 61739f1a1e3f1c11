"""Records made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.measure.results.record import NOT_TOLD, Ended, Outcome, Record, Recorder, Use

USE = Use(cpu_seconds=0.1, wall_seconds=1.0, num_requests=10)
CODES = {Outcome.OK: 0, Outcome.ERROR: 14, Outcome.DEADLINE: 4, Outcome.CANCELLED: 1, Outcome.UNFINISHED: 1}


def row(number: int, intended: float, latency: float, outcome: Outcome = Outcome.OK, **values: object) -> Ended:
    usual = {
        "workload": 0,
        "code": CODES[outcome],
        "length": 1,
        "num_outputs": 1,
        "num_images": 1,
        "num_messages": 1,
        "num_prompt_tokens": float("nan"),
        "is_counted": True,
        "sent": intended,
        "first_output": intended + latency,
        "ended": intended + latency,
        "told": NOT_TOLD,
    }
    return Ended(number=number, outcome=outcome, intended=intended, **(usual | values))  # type: ignore[arg-type]


def record(
    rows: Sequence[Ended], messages: Sequence[tuple[int, float, int]] = (), num_workloads: int = 1, use: Use = USE
) -> Record:
    recorder = Recorder(num_workloads)
    for each in rows:
        recorder.ended(each, [message for message in messages if message[0] == each.number])
    return recorder.record(use)
