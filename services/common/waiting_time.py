"""How long a newcomer would wait, and whether that is too long: then it is refused at once instead of late."""

from runtime.deadlines import Deadline
from tandem.shared.errors import WaitTooLong

MIN_RETRY_SECONDS = 0.01


def check_wait(what: str, wait_seconds: float, max_wait_seconds: float, deadline: Deadline) -> None:
    """Raises WaitTooLong if the expected wait for `what` is longer than allowed, or than the deadline leaves time."""
    remaining = deadline.remaining_seconds()
    allowed = min(max_wait_seconds, remaining)
    if wait_seconds > allowed:
        by_deadline = "its deadline leaves beside the work itself"
        limit = by_deadline if remaining < max_wait_seconds else "the server lets anybody wait"
        raise WaitTooLong(what, wait_seconds, f"{allowed:.3g} s that {limit}", _retry_after(wait_seconds - allowed))


def _retry_after(seconds: float) -> float:
    return max(MIN_RETRY_SECONDS, round(seconds, 3))
