import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial

import pytest
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from runtime.deadlines import Deadline
from services.common.batching.work_thread import WorkThread
from tandem.shared.errors import Internal, InvalidArgument

NEVER = Deadline.after(None)


@pytest.fixture
async def texts() -> AsyncIterator[WorkThread]:
    thread = WorkThread("texts", max_queued=4, max_queued_of_caller=3, max_wait_seconds=60.0)
    thread.start()
    yield thread
    await thread.stop()


async def busy(texts: WorkThread) -> tuple[threading.Event, asyncio.Task[bool]]:
    """Return what ends the work that now keeps the thread busy."""
    has_begun, may_end = threading.Event(), threading.Event()

    def work() -> bool:
        has_begun.set()
        return may_end.wait()

    task = asyncio.create_task(texts.run(work, NEVER, "greedy"))
    assert await asyncio.to_thread(has_begun.wait, 20)
    return may_end, task


async def test_work_is_done_in_another_thread_and_its_result_returned(texts):
    assert await texts.run(threading.get_ident, NEVER, "a") != threading.get_ident()


async def test_what_is_wrong_with_a_request_reaches_its_caller_and_is_not_logged(texts, caplog):
    def refuse() -> None:
        raise InvalidArgument("text", "", "a text")

    with pytest.raises(InvalidArgument, match="text: ''"):
        await texts.run(refuse, NEVER, "a")
    assert not caplog.records


async def test_a_text_at_which_the_library_panics_ends_its_own_request_alone(texts):
    hopeless = Split(Regex("(?:a|aa)+$"), "isolated")  # gives up at this text after ten million attempts
    with pytest.raises(Internal):
        await texts.run(partial(hopeless.pre_tokenize_str, "a" * 60 + "b"), NEVER, "a")
    assert await texts.run(partial(int, "7"), NEVER, "b") == 7


async def test_a_short_text_is_not_taken_to_last_as_long_as_those_before_it():
    texts = WorkThread("texts", max_queued=4, max_queued_of_caller=3, max_wait_seconds=10_000.0)
    texts._admission._times.observe(1, 1000.0)
    texts.start()
    may_end, first = await busy(texts)
    short = asyncio.create_task(texts.run(partial(int, "7"), Deadline.after(1100.0), "other"))
    await asyncio.sleep(0)
    behind = asyncio.create_task(texts.run(str, NEVER, "greedy"))
    await asyncio.sleep(0)
    may_end.set()
    assert await short == 7
    await asyncio.gather(first, behind)
    await texts.stop()
