"""Who counts what a batcher does."""

from typing import Literal, Protocol, get_args

End = Literal["finished", "cancelled", "failed"]
ENDS: tuple[End, ...] = get_args(End)


class BatchObserver(Protocol):
    """Told, on the event loop, of each pass and of each request's one end."""

    def passed(self, batch_size: int, seconds: float) -> None: ...

    def ended(self, outcome: End, num_samples: int) -> None: ...
