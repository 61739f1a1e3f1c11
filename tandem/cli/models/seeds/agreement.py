"""Whether outputs are the same to the last bit, and the table that says so. Knows no server."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def agreement_row(kind: str, address: str, sent: str, outputs: Sequence[tuple[int, Output, Output]]) -> Row:
    """Return the row of one kind of request, sent alone or beside others to one replica; `outputs` are of a seed each:
    what the same request brought elsewhere, and what it brought here.
    """
    places = [(seed, first_difference(expected, got)) for seed, expected, got in outputs]
    differences = [f"seed {seed}, {place}" for seed, place in places if place is not None]
    num_equal = sum(expected.logprobs == got.logprobs for _, expected, got in outputs)
    logprobs = share_text(num_equal, len(outputs)) if any(expected.logprobs for _, expected, _ in outputs) else "-"
    identical = f"{share_text(len(outputs) - len(differences), len(outputs))} of {len(outputs)}"
    return Row((kind, address, sent, identical, next(iter(differences), ""), logprobs), is_bad=bool(differences))


def share_text(count: int, total: int) -> str:
    """Return a share in percent, never rounded up to 100."""
    return f"{1000 * count // total / 10:.1f} %"


def agreement_table(paradigm: str, model: str, rows: Sequence[Row]) -> Table:
    """Return one row for each kind of request, replica, and sending alone or beside others."""
    title = f"{model}, {paradigm}: outputs against those of the first replica, sent alone"
    return Table(("requests", "replica", "sent", "identical", "first difference", "logprobs"), list(rows), title)
