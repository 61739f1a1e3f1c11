"""What the replies by another API say, put into what a sender has seen, as if it had counted outputs while they
came.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tandem.measure.generator.requests.apis.reading import OK, ApiReading, ReplyFigures
from tandem.measure.generator.requests.reading import MessagesAlone, Reading
from tandem.measure.generator.sending.tables import Seen, Table

REPLY_COUNTS = np.dtype([("num_outputs", "i4"), ("num_images", "i4"), ("num_prompt_tokens", "f8"), ("is_counted", "?")])


def with_replies(seen: Seen, readings: Sequence[Reading | MessagesAlone], keeps: bool) -> tuple[Seen, Table]:
    """Return what was seen, with statuses, first outputs and outputs by message as the replies by other APIs say them,
    and without their bytes unless it `keeps` them; and of each row its REPLY_COUNTS, which says nothing of other
    workloads.
    """
    replies = np.zeros(len(seen.rows), REPLY_COUNTS)
    replies["num_prompt_tokens"], replies["is_counted"] = np.nan, True
    is_api = np.array([isinstance(reading, ApiReading) for reading in readings])[seen.rows["route"]]
    if not np.any(is_api):
        return seen, replies
    whole = _Replies(seen, replies)
    for place in np.flatnonzero(is_api & (seen.rows["code"] == OK)).tolist():
        reading = readings[seen.rows["route"][place]]
        assert isinstance(reading, ApiReading)
        whole.read(place, reading)
    is_others = ~np.isin(seen.kept["number"], seen.rows["number"][is_api])
    return whole.seen(seen.kept if keeps else seen.kept[is_others]), replies


class _Replies:
    """Tables of what was seen, which are changed here, and how they are found by request."""

    def __init__(self, seen: Seen, replies: Table) -> None:
        self._seen, self._replies = seen, replies
        self._rows, self._messages = seen.rows.copy(), seen.messages.copy()
        self._messages["num_outputs"] = 0
        self._texts = list(seen.texts)
        self._order = np.argsort(self._messages["number"], kind="stable")
        self._of_messages = self._messages["number"][self._order]
        self._kept = seen.kept[np.lexsort((seen.kept["message"], seen.kept["number"]))]
        self._bytes = seen.kept_bytes.tobytes()

    def read(self, place: int, reading: ApiReading) -> None:
        """Read the reply of row `place`."""
        number = self._rows["number"][place]
        kept = self._kept[slice(*_bounds(self._kept["number"], number))]
        found = reading.figures_of([self._bytes[each["begin"] : each["begin"] + each["size"]] for each in kept])
        if found.code != OK:
            return self._fail(place, found)
        own = self._order[slice(*_bounds(self._of_messages, number))]
        if len(own):
            self._messages["num_outputs"][own] = found.num_outputs
            carrying = own[np.asarray(found.num_outputs) > 0]
            self._rows["first_output"][place] = self._messages["at"][carrying[0]] if len(carrying) else np.nan
        num_outputs = sum(found.num_outputs)
        self._replies[place] = (num_outputs, found.num_images, found.num_prompt_tokens, found.is_counted)
        return None

    def _fail(self, place: int, found: ReplyFigures) -> None:
        self._rows["code"][place], self._rows["text"][place] = found.code, len(self._texts)
        self._texts.append(found.text)

    def seen(self, kept: Table) -> Seen:
        """Return all tables, and of what was kept these rows."""
        return self._seen._replace(rows=self._rows, messages=self._messages, kept=kept, texts=tuple(self._texts))


def _bounds(numbers: NDArray[np.int64], number: int) -> tuple[int, int]:
    return int(np.searchsorted(numbers, number, "left")), int(np.searchsorted(numbers, number, "right"))
