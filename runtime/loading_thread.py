"""A function in a daemon thread of its own, which a stop does not wait for: how models are loaded.

asyncio.to_thread will not do: its threads are joined when the loop and the interpreter end, so a stop signal would wait
until a model is read, packed and warm. Nothing can interrupt a thread that computes in native code.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class LoadingThread(threading.Thread):
    """Runs the function given to `in_loading_thread`; a class of its own, so that such threads can be found."""


async def in_loading_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `function` returns, or raise what it raises.

    If the wait is cancelled the thread is left to itself, and what it returns or raises is dropped.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # so that a cancelled wait leaves it open for the thread

    def run() -> None:
        try:
            outcome.set_result(function(*args, **kwargs))
        except BaseException as error:  # of any kind: the waiting coroutine must get it
            outcome.set_exception(error)

    LoadingThread(target=run, name="loading", daemon=True).start()
    return await asyncio.wrap_future(outcome)
