"""From what a sender has seen to the record of a process: outcomes, outputs and the backend's word, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.requests.reading import Reading
from tandem.measure.generator.sending.sender import Route, Sender
from tandem.measure.generator.sending.statuses import DEADLINE_EXCEEDED, OK
from tandem.measure.generator.sending.tables import End, Seen, Table
from tandem.measure.results.record import CODE_NAMES, MESSAGE, REPLY, REPORTED, REQUEST, Outcome, Record, Use

_MAX_TEXT = 500
_TOLD = np.dtype(
    [
        (name, REQUEST[name])
        for name in ("num_outputs", "num_images", "num_prompt_tokens", "num_cached_tokens", "is_counted", *REPORTED)
    ]
)
"""What the messages of a reply say."""


def record_of(
    seen: Seen, routes: Sequence[Route], readings: Sequence[Reading], sender: Sender, keeps_replies: bool
) -> Record:
    """Return the record of what a sender has done; `routes` and `readings` are those of the workloads."""
    progress = sender.progress()
    use = Use(
        progress.cpu_seconds, progress.wall_seconds, progress.num_sent, bool(progress.is_real_time), sender.is_compiled
    )
    order = np.argsort(seen.messages["number"], kind="stable")
    ends = np.cumsum(seen.messages["size"])
    bounds = np.stack((ends - seen.messages["size"], ends), axis=1)[order]  # where each message's bytes lie
    raw = seen.message_bytes.tobytes()
    messages = np.zeros(len(order), MESSAGE)
    messages["number"], messages["at"] = seen.messages["number"][order], seen.messages["at"][order]
    rows, texts, told = seen.rows.copy(), list(seen.texts), np.zeros(len(seen.rows), _TOLD)
    first, behind = (np.searchsorted(messages["number"], rows["number"], side) for side in ("left", "right"))
    for place, (row, begin, end) in enumerate(zip(rows, first.tolist(), behind.tolist(), strict=True)):
        found = readings[row["route"]]([raw[left:right] for left, right in bounds[begin:end].tolist()])
        if found.num_outputs:
            messages["num_outputs"][begin:end] = found.num_outputs
        if found.code != OK and row["code"] == OK:
            row["code"], row["text"] = found.code, len(texts)
            texts.append(found.text)
        prompt = (found.num_prompt_tokens, found.num_cached_tokens)
        told[place] = (sum(found.num_outputs), found.num_images, *prompt, found.is_counted, *found.reported)
    is_streamed = np.array([route.is_streamed for route in routes])[rows["route"]]
    is_of_stream = np.isin(messages["number"], rows["number"][is_streamed])
    carrying = messages[is_of_stream & (messages["num_outputs"] > 0)]
    at_end = np.where(told["num_outputs"] > 0, rows["ended"], np.nan)
    first_outputs = np.where(is_streamed, _first_outputs(rows, carrying), at_end)
    requests = _requests(rows, told, behind - first, first_outputs)
    kept = [raw[begin:end] for begin, end in bounds.tolist()] if keeps_replies else []
    replies = [(number, len(reply)) for number, reply in zip(messages["number"].tolist(), kept, strict=False)]
    return Record(
        requests=requests,
        messages=carrying,
        lags=seen.lags,
        num_dropped=seen.dropped,
        num_abandoned=np.zeros_like(seen.dropped),
        error_texts=_texts(rows, requests["outcome"], texts),
        max_outstanding=progress.max_outstanding,
        uses=(use,),
        replies=np.array(replies, REPLY),
        reply_bytes=np.frombuffer(b"".join(kept), np.uint8),
    )


def _first_outputs(rows: Table, carrying: Table) -> NDArray[np.float64]:
    """Return when the first of each request's messages with outputs came; `carrying` are all of them, in order."""
    first_at = dict(zip(carrying["number"][::-1].tolist(), carrying["at"][::-1].tolist(), strict=True))
    return np.array([first_at.get(number, np.nan) for number in rows["number"].tolist()], np.float64)


def _requests(rows: Table, told: Table, num_messages: NDArray[np.int_], first_outputs: NDArray[np.float64]) -> Table:
    table = np.zeros(len(rows), REQUEST)
    for source, names in ((told, _TOLD.names), (rows, ("number", "code", "length", "intended", "sent", "ended"))):
        for name in names or ():
            table[name] = source[name]
    table["workload"], table["num_messages"], table["first_output"] = rows["route"], num_messages, first_outputs
    code, end = rows["code"], rows["end"]
    cases = [end == End.CUT_OFF, end == End.CANCELLED, code == OK, code == DEADLINE_EXCEEDED]
    outcomes = [Outcome.UNFINISHED, Outcome.CANCELLED, Outcome.OK, Outcome.DEADLINE]
    table["outcome"] = np.select(cases, outcomes, Outcome.ERROR)
    return table


def _texts(rows: Table, outcomes: Table, texts: Sequence[str]) -> Counter[tuple[int, str, str]]:
    told = rows[np.isin(outcomes, (Outcome.ERROR, Outcome.DEADLINE))]
    return Counter(
        (workload, CODE_NAMES[code], texts[text][:_MAX_TEXT])
        for workload, code, text in told[["route", "code", "text"]].tolist()
    )
