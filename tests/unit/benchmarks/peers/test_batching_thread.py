"""Requests reach an engine that computes in steps, and its news their clients, on the event loop's thread."""

import asyncio
import threading

from benchmarks.peers.batching_thread import BatchingThread


class Counting:
    """Counts up from the last token of each prompt, a token a step."""

    def __init__(self) -> None:
        self.running = []

    @property
    def is_idle(self):
        return not self.running

    def add(self, request):
        self.running.append(request)

    def step(self):
        assert self.running, "a step of nothing"
        news = []
        for request in self.running:
            if request.is_over:
                continue
            request.prompt.append(request.prompt[-1] + 1)
            request.num_left -= 1
            news.append((request.sink, (0, request.prompt[-1:])))
            if request.is_over:
                news.append((request.sink, None))
        self.running = [request for request in self.running if not request.is_over]
        return news


async def reply(thread, prompt, num_tokens):
    found, ended = [], asyncio.Event()

    def sink(item):
        assert threading.current_thread() is threading.main_thread()
        if item is None:
            ended.set()
        else:
            found.extend(item[1])

    thread.start([prompt], num_tokens, sink)
    await ended.wait()
    return found


async def test_each_request_gets_its_own_tokens():
    thread = BatchingThread(asyncio.get_running_loop(), Counting())
    replies = await asyncio.gather(reply(thread, [10], 3), reply(thread, [20], 1), reply(thread, [30], 5))
    assert replies == [[11, 12, 13], [21], [31, 32, 33, 34, 35]]
    assert await reply(thread, [1], 2) == [2, 3]
