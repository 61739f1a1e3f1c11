"""What takes long runs in a thread, all else where it is asked for."""

import threading

import pytest

from gateway.http.in_thread import in_thread_if


@pytest.mark.parametrize("takes_long", [True, False])
async def test_what_takes_long_runs_in_another_thread(takes_long: bool) -> None:
    def work(first: int, *, second: int) -> tuple[int, bool]:
        return first + second, threading.current_thread() is threading.main_thread()

    assert await in_thread_if(takes_long, work, 1, second=2) == (3, not takes_long)


async def test_what_is_raised_there_is_raised_here() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await in_thread_if(True, fail)
