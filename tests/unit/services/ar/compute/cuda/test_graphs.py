"""The ladder of sizes, and that each is prepared, run and captured before it is launched."""

import pytest

from services.ar.compute.cuda.graphs import StepGraphs, ladder


@pytest.mark.parametrize("most", [1, 2, 3, 8, 9, 60, 64, 65, 256, 1000, 1024])
def test_a_ladder_ends_at_the_most_and_pads_little(most):
    sizes = ladder(most)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == most
    for below, size in zip([0, *sizes], sizes, strict=False):
        assert size - below - 1 <= max(7, below // 8)  # padding of the worst number of rows
    assert len(sizes) <= 44


def test_the_ladder_of_the_default():
    assert ladder(64) == [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64]


class Device:
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def prepare(self, size: int) -> None:
        self.events.append(("prepared", size))

    def run(self, size: int) -> None:
        self.events.append(("run", size))

    def capture(self, run):
        run()
        size = self.events.pop()[1]
        self.events.append(("captured", size))
        return lambda: self.events.append(("launched", size))


def test_all_sizes_run_once_and_are_captured_then_launched():
    device = Device()
    graphs = StepGraphs(device.run, 4, device.capture)
    graphs.warm_up(device.prepare)
    what = ("prepared", "run", "captured")
    assert device.events == [(event, size) for size in (4, 2, 1) for event in what]
    device.events.clear()
    sizes = [graphs.size_for(count) for count in (1, 2, 3, 4, 5)]
    assert sizes == [1, 2, 4, 4, None]
    graphs(4)
    assert device.events == [("launched", 4)]


def test_without_graphs_a_step_is_as_large_as_its_rows():
    device = Device()
    graphs = StepGraphs(device.run, 4, None)
    graphs.warm_up(device.prepare)
    assert [graphs.size_for(count) for count in (1, 3, 4, 5)] == [1, 3, 4, None]
    device.events.clear()
    graphs(3)
    assert device.events == [("run", 3)]
