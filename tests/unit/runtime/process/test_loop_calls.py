import asyncio
import threading

from runtime.process.loop_calls import LoopCalls


async def test_calls_of_a_thread_are_made_on_the_loop_in_their_order():
    calls, made, ended = LoopCalls(), [], asyncio.Event()
    here = threading.get_ident()

    def thread() -> None:
        for number in range(100_000):  # more than a pipe holds
            calls.call(made.append, number)
        calls.call(lambda: made.append(threading.get_ident()))
        calls.call(ended.set)

    threading.Thread(target=thread).start()
    await asyncio.wait_for(ended.wait(), 60)
    assert made == [*range(100_000), here]
    calls.close()


async def test_what_a_call_raises_goes_to_the_loop_and_the_next_ones_are_made():
    calls, told, ended = LoopCalls(), [], asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    calls.call(lambda: 1 / 0)
    calls.call(ended.set)
    await asyncio.wait_for(ended.wait(), 60)
    assert [type(error) for error in told] == [ZeroDivisionError]
    calls.close()


async def test_closing_makes_what_is_left_and_can_be_repeated():
    calls, made = LoopCalls(), []
    calls.call(made.append, 1)
    calls.close()
    calls.close()
    assert made == [1]
