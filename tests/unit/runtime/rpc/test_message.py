import asyncio

import pytest

from runtime.rpc.message import undisturbed


async def test_cancellation_waits_for_the_operations_own_end() -> None:
    ended, log = asyncio.Event(), []

    async def operation() -> None:
        await ended.wait()
        log.append("operation ended")

    def end_call() -> None:
        log.append("call ended")
        ended.set()

    waiting = asyncio.ensure_future(undisturbed(operation(), end_call))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert log == ["call ended", "operation ended"]


async def test_operation_that_fails_meanwhile_is_not_heard() -> None:
    ended = asyncio.Event()

    async def operation() -> None:
        await ended.wait()
        raise KeyError("x")

    waiting = asyncio.ensure_future(undisturbed(operation(), ended.set))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
