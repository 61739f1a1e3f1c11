"""Streams that were sent at once: which tokens came, and when. Knows neither what they are for nor who sent them."""

from collections.abc import Sequence

import numpy as np

from tandem.measure.generator.requests.replies import tokens_by_number
from tandem.measure.results.record import Record
from tandem.measure.statistics.quantiles import nearest_rank


class Together:
    """Streams of a record, each of at least one message. Seconds of the common part: from the last one's first token to
    the first one's end, in which all were generating; there may be none, if the server did not run all of them at a
    time. `token_ids` of each stream are there if replies were kept.
    """

    def __init__(self, record: Record, token_ids: Sequence[Sequence[int]] = ()) -> None:
        self.token_ids = token_ids
        messages = record.messages
        self._sent, self._at, self._counts = record.requests["sent"], messages["at"], messages["num_outputs"]
        ends = np.diff(messages["number"]) != 0
        self._is_first, self._is_last = np.append(True, ends), np.append(ends, True)

    @property
    def whole_tokens_per_second(self) -> float:
        return float(self._counts.sum() / (self._at.max() - self._sent.min()))

    @property
    def first_token_p50_seconds(self) -> float:
        return nearest_rank(self._at[self._is_first] - self._sent, 0.5)

    @property
    def common(self) -> tuple[float, float]:
        """Beginning and end of the common part."""
        return float(self._at[self._is_first].max()), float(self._at[self._is_last].min())

    @property
    def decode_tokens_per_second(self) -> float | None:
        begin, end = self.common
        if end <= begin:
            return None
        return float(self._counts[(self._at > begin) & (self._at <= end)].sum() / (end - begin))

    @property
    def gap_p50_seconds(self) -> float | None:
        begin, end = self.common
        before, after = self._at[:-1], self._at[1:]
        gaps = (after - before)[~self._is_first[1:] & (before >= begin) & (after <= end)]
        return nearest_rank(gaps, 0.5) if len(gaps) else None

    @property
    def tokens_per_message(self) -> float:
        """Behind each stream's first message; 0 if there was none."""
        counts = self._counts[~self._is_first]
        return float(counts.mean()) if len(counts) else 0.0


def together(record: Record, rpc: str, num_requests: int = 0) -> Together:
    """Return the streams of a record, all of one `rpc`; the tokens of `num_requests` that were given to the run in the
    order of these, wherever its numbers began.
    """
    tokens = tokens_by_number(record, [rpc]) if num_requests else {}
    return Together(record, [tokens[number] for number in sorted(tokens, key=lambda number: number % num_requests)])
