"""Whether outputs are the same to the last bit, and the table that says so. Knows no server."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tandem.measure.report.tables import Row, Table


@dataclass(frozen=True)
class Output:
    """What one request brought: tokens of a sequential model, raw pixels of an image model."""

    token_ids: tuple[int, ...] = ()
    pixels: bytes = b""
    pixel_size: int = 1
    """Bytes a value."""
    logprobs: tuple[float, ...] = ()
    """Of the tokens, where there are any; compared by their bits too, though the seed does not promise them."""


@dataclass
class Agreement:
    """How many of the outputs of one kind of request, sent alone or beside others to one replica, are as expected."""

    kind: str
    address: str
    sent: str
    num_requests: int = 0
    num_identical: int = 0
    num_equal_logprobs: int = 0
    has_logprobs: bool = False
    first_difference: str = field(default="", init=False)

    @property
    def is_whole(self) -> bool:
        return self.num_identical == self.num_requests

    @property
    def share_text(self) -> str:
        return self._share(self.num_identical)

    @property
    def logprobs_share_text(self) -> str:
        return self._share(self.num_equal_logprobs) if self.has_logprobs else "-"

    def _share(self, count: int) -> str:
        """Return a share in percent, never rounded up to 100."""
        return f"{1000 * count // max(1, self.num_requests) / 10:.1f} %"

    def add(self, seed: int, expected: Output, got: Output) -> None:
        """Enter an output; `expected` is what the same request brought elsewhere."""
        place = first_difference(expected, got)
        self.num_requests += 1
        self.num_identical += place is None
        self.num_equal_logprobs += expected.logprobs == got.logprobs
        self.has_logprobs |= bool(expected.logprobs)
        if place is not None and not self.first_difference:
            self.first_difference = f"seed {seed}, {place}"


def first_difference(expected: Output, got: Output) -> str | None:
    """Return where tokens or pixels of two outputs part, None if they are the same in every bit."""
    token = _first_unequal(np.array(expected.token_ids), np.array(got.token_ids))
    if token is not None:
        return f"token {token}"
    byte = _first_unequal(np.frombuffer(expected.pixels, np.uint8), np.frombuffer(got.pixels, np.uint8))
    return None if byte is None else f"value {byte // expected.pixel_size}"


def _first_unequal(left: np.ndarray, right: np.ndarray) -> int | None:
    length = min(len(left), len(right))
    unequal = np.flatnonzero(left[:length] != right[:length])
    if len(unequal):
        return int(unequal[0])
    return None if len(left) == len(right) else length


def agreement_table(paradigm: str, model: str, agreements: Sequence[Agreement]) -> Table:
    """Return one row for each kind of request, replica, and sending alone or beside others."""
    title = f"{model}, {paradigm}: outputs against those of the first replica, sent alone"
    rows = []
    for found in agreements:
        identical = f"{found.share_text} of {found.num_requests}"
        cells = (found.kind, found.address, found.sent, identical, found.first_difference, found.logprobs_share_text)
        rows.append(Row(cells, is_bad=not found.is_whole))
    return Table(("requests", "replica", "sent", "identical", "first difference", "logprobs"), rows, title)
