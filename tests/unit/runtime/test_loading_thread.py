import asyncio
import threading

import pytest

from runtime.loading_thread import in_loading_thread


async def test_it_raises_what_the_function_raises():
    def fail() -> None:
        raise ValueError("no weights")

    with pytest.raises(ValueError, match="no weights"):
        await in_loading_thread(fail)


@pytest.mark.parametrize("fails", [False, True])
async def test_what_comes_after_a_cancellation_is_dropped(fails):
    entered, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def load() -> None:
        threads.append(threading.current_thread())
        entered.set()
        go_on.wait()
        if fails:
            raise ValueError("too late")

    waiting = asyncio.create_task(in_loading_thread(load))
    await asyncio.to_thread(entered.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    go_on.set()
    await asyncio.to_thread(threads[0].join)  # an exception that it left behind would be a warning, so an error
