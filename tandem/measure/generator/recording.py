"""From what a sender has seen to the record of a process: outcomes, outputs and the backend's word, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.api_replies import with_replies
from tandem.measure.generator.requests.apis.reading import ApiReading
from tandem.measure.generator.requests.reading import Reading
from tandem.measure.generator.sending.sender import Route, Sender
from tandem.measure.generator.sending.statuses import DEADLINE_EXCEEDED, OK
from tandem.measure.generator.sending.tables import End, Seen, Table
from tandem.measure.results.record import CODE_NAMES, MESSAGE, REPLY, REPORTED, REQUEST, Outcome, Record, Use

_MAX_TEXT = 500


def record_of(
    seen: Seen, routes: Sequence[Route], readings: Sequence[Reading], sender: Sender, keeps_replies: bool
) -> Record:
    """Return the record of what a sender has done; `routes` and `readings` are those of the workloads."""
    progress = sender.progress()
    use = Use(progress.cpu_seconds, progress.wall_seconds, progress.num_sent, sender.is_real_time, sender.is_compiled)
    seen = seen._replace(
        messages=seen.messages[np.argsort(seen.messages["number"], kind="stable")],
        kept=seen.kept[np.lexsort((seen.kept["message"], seen.kept["number"]))],
    )
    seen, replies = with_replies(seen, readings, keeps_replies)
    requests = _requests(seen, routes, readings, replies)
    pieces = [seen.kept_bytes[begin : begin + size] for begin, size in seen.kept[["begin", "size"]].tolist()]
    return Record(
        requests=requests,
        messages=_pick_columns(seen.messages[seen.messages["num_outputs"] > 0], MESSAGE),
        lags=seen.lags,
        num_dropped=seen.dropped,
        num_abandoned=seen.abandoned,
        error_texts=_texts(seen, requests),
        max_outstanding=progress.max_outstanding,
        uses=(use,),
        replies=_pick_columns(seen.kept, REPLY),
        reply_bytes=np.concatenate([*pieces, np.empty(0, np.uint8)]),
    )


def _requests(seen: Seen, routes: Sequence[Route], readings: Sequence[Reading], replies: Table) -> Table:
    rows = seen.rows
    table = np.zeros(len(rows), REQUEST)
    for name in ("number", "code", "length", "num_messages", "intended", "sent", "first_output", "ended"):
        table[name] = rows[name]
    table["workload"] = rows["route"]
    table["outcome"] = _outcomes(rows)
    table["num_prompt_tokens"], table["is_counted"] = replies["num_prompt_tokens"], replies["is_counted"]
    num_columns = [len(route.columns) for route in routes]
    for workload, (route, reading) in enumerate(zip(routes, readings, strict=True)):
        is_here, values = seen.of_route(workload, num_columns)
        read = reading.read(values)
        if isinstance(reading, ApiReading):
            num_outputs, num_images = replies["num_outputs"][is_here], replies["num_images"][is_here]
        else:
            num_outputs = table["num_messages"][is_here] if reading.outputs is None else read.num_outputs
            num_images = read.num_images
        table["num_outputs"][is_here], table["num_images"][is_here] = num_outputs, num_images
        for place, name in enumerate(REPORTED):
            table[name][is_here] = read.reported[:, place]
        if not route.is_streamed:
            table["first_output"][is_here] = np.where(num_outputs > 0, table["ended"][is_here], np.nan)
    return table


def _outcomes(rows: Table) -> NDArray[np.int_]:
    code, end = rows["code"], rows["end"]
    cases = [end == End.CUT_OFF, end == End.CANCELLED, code == OK, code == DEADLINE_EXCEEDED]
    return np.select(cases, [Outcome.UNFINISHED, Outcome.CANCELLED, Outcome.OK, Outcome.DEADLINE], Outcome.ERROR)


def _pick_columns(table: Table, kind: np.dtype[np.void]) -> Table:
    """Return a table with those of the columns that `kind` has."""
    return table[list(kind.names or ())].astype(kind)


def _texts(seen: Seen, requests: Table) -> Counter[tuple[int, str, str]]:
    told = seen.rows[np.isin(requests["outcome"], (Outcome.ERROR, Outcome.DEADLINE))]
    return Counter(
        (workload, CODE_NAMES[code], seen.texts[text][:_MAX_TEXT])
        for workload, code, text in told[["route", "code", "text"]].tolist()
    )
