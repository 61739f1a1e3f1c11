"""What replies by another API say, put into what a sender has seen, as if it had counted outputs while they came."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tandem.measure.generator.requests.apis.reading import ApiReading
from tandem.measure.generator.requests.reading import Reading
from tandem.measure.generator.sending.statuses import OK
from tandem.measure.generator.sending.tables import Seen, Table

REPLY_COUNTS = np.dtype([("num_outputs", "i4"), ("num_images", "i4"), ("num_prompt_tokens", "f8"), ("is_counted", "?")])


def with_replies(seen: Seen, readings: Sequence[Reading], keeps: bool) -> tuple[Seen, Table]:
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
        found = reading.figures_of([raw[each["begin"] : each["begin"] + each["size"]] for each in kept])
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
