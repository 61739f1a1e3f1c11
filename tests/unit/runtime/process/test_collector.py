"""While a process serves, the collector leaves alone what was loaded; afterwards all is as it was."""

import gc
import weakref

from runtime.process.lifecycle import SERVING_THRESHOLD, collect_garbage_seldom


class Loaded:
    def __init__(self) -> None:
        self.cycle = self


def test_what_was_there_is_set_aside_and_given_back():
    before, loaded = gc.get_threshold(), Loaded()
    watched = weakref.ref(loaded)
    with collect_garbage_seldom():
        assert gc.get_threshold()[0] == SERVING_THRESHOLD
        del loaded
        gc.collect()
        assert watched() is not None
    assert gc.get_threshold() == before
    gc.collect()
    assert watched() is None


def test_what_comes_while_it_serves_is_collected():
    with collect_garbage_seldom():
        request = Loaded()
        watched = weakref.ref(request)
        del request
        gc.collect()
        assert watched() is None
