"""From what a sender has seen to the record of a process: outcomes, outputs and the backend's word, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.requests.reading import ApiReading, Reading
from tandem.measure.generator.sending.sender import Route, Sender
from tandem.measure.generator.sending.statuses import DEADLINE_EXCEEDED, OK
from tandem.measure.generator.sending.tables import End, Seen, Table
from tandem.measure.results.record import CODE_NAMES, MESSAGE, REPLY, REPORTED, REQUEST, Outcome, Record, Use

_MAX_TEXT = 500
REPLY_COUNTS = np.dtype([("num_outputs", "i4"), ("num_images", "i4"), ("num_prompt_tokens", "f8"), ("is_counted", "?")])
"""What the replies by other APIs say of each request, as if the sender had counted outputs while they came."""


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
    seen, replies = _with_replies(seen, readings, keeps_replies)
    requests = _requests(seen, routes, readings, replies)
    pieces = [seen.kept_bytes[begin : begin + size] for begin, size in seen.kept[["begin", "size"]].tolist()]
    return Record(
        requests=requests,
        messages=_pick_columns(seen.messages[seen.messages["num_outputs"] > 0], MESSAGE),
        lags=seen.lags,
        num_dropped=seen.dropped,
        num_abandoned=np.zeros_like(seen.dropped),
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


def _with_replies(seen: Seen, readings: Sequence[Reading], keeps: bool) -> tuple[Seen, Table]:
    """Return what was seen, with statuses, first outputs and outputs by message as the replies by other APIs say them,
    and without their bytes unless it `keeps` them; and of each row its REPLY_COUNTS, which says nothing of other
    workloads. Messages, and what is kept, are in the order of the requests' numbers.
    """
    replies = np.zeros(len(seen.rows), REPLY_COUNTS)
    replies["num_prompt_tokens"], replies["is_counted"] = np.nan, True
    is_api = np.array([isinstance(reading, ApiReading) for reading in readings])[seen.rows["route"]]
    if not np.any(is_api):
        return seen, replies
    rows, messages, texts = seen.rows.copy(), seen.messages.copy(), list(seen.texts)
    messages["num_outputs"][np.isin(messages["number"], rows["number"][is_api])] = 0
    raw = seen.kept_bytes.tobytes()
    for place in np.flatnonzero(is_api & (rows["code"] == OK)).tolist():
        row, reading = rows[place], readings[rows["route"][place]]
        assert isinstance(reading, ApiReading)
        kept = _of_request(seen.kept, row["number"])
        found = reading.figures_of([raw[piece["begin"] : piece["begin"] + piece["size"]] for piece in kept])
        if found.code != OK:
            row["code"], row["text"] = found.code, len(texts)
            texts.append(found.text)
            continue
        own = _of_request(messages, row["number"])
        if len(own):
            own["num_outputs"] = found.num_outputs
            carrying = own["at"][own["num_outputs"] > 0]
            row["first_output"] = carrying[0] if len(carrying) else np.nan
        replies[place] = (sum(found.num_outputs), found.num_images, found.num_prompt_tokens, found.is_counted)
    others = seen.kept[~np.isin(seen.kept["number"], rows["number"][is_api])]
    return seen._replace(rows=rows, messages=messages, kept=seen.kept if keeps else others, texts=tuple(texts)), replies


def _of_request(table: Table, number: int) -> Table:
    """Return the rows of a request, of a table in the order of numbers."""
    return table[np.searchsorted(table["number"], number) : np.searchsorted(table["number"], number, "right")]
