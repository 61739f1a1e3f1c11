"""The simulated queue against what is known of queues by formula, and against a plain simulation of another kind."""

import numpy as np
import pytest

from tests.unit.tandem.measure.studies.crossover.queueing import simulate, unit_poisson

NUM = 200_000


def arrivals(rate: float, number: int = NUM) -> list[float]:
    found: list[float] = (unit_poisson(number, 11) / rate).tolist()
    return found


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_room_for_one_is_m_d_1(load: float) -> None:
    """Pollaczek and Khinchine: the mean wait is load / (2 (1 - load)) services."""
    latencies = simulate(arrivals(load), lambda _: 1.0, 1, 1)
    assert latencies.mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.04)


def test_m_d_1_does_not_care_how_many_steps_a_service_has() -> None:
    one = simulate(arrivals(0.7, 5_000), lambda _: 1.0, 1, 1)
    many = simulate(arrivals(0.7, 5_000), lambda _: 0.1, 10, 1)
    assert many == pytest.approx(one)


def test_lindley_s_recursion_says_the_same() -> None:
    times = arrivals(0.8, 5_000)
    free_at, expected = 0.0, []
    for at in times:
        free_at = max(free_at, at) + 1.0
        expected.append(free_at - at)
    assert simulate(times, lambda _: 1.0, 1, 1) == pytest.approx(expected)


@pytest.mark.parametrize("load", [0.4, 0.8])
def test_many_small_steps_at_equal_shares_are_processor_sharing(load: float) -> None:
    """M/D/1 processor sharing: the mean time is service / (1 - load). Steps of b requests take b times as long."""
    latencies = simulate(arrivals(load, 40_000), lambda batch: batch / 50, 50, 1000)
    assert latencies.mean() == pytest.approx(1 / (1 - load), rel=0.06)


def test_a_batch_server_by_its_markov_chain() -> None:
    """Batch service with Poisson arrivals: the queue at the ends of services is a Markov chain; its stationary state
    gives the mean batch, and with it the share of time between, which the simulation must have, too.
    """
    base, slope, most, rate = 1.0, 0.25, 8, 1.6
    size = 80
    seconds = base + slope * np.arange(most + 1)
    probabilities = [_poisson(rate * each, size) for each in seconds]
    chain = np.zeros((size, size))
    for waiting in range(size):
        taken = min(max(waiting, 1), most)
        left = max(waiting, 1) - taken
        chain[waiting, left:] = probabilities[taken][: size - left]
    chain /= chain.sum(axis=1, keepdims=True)
    state = np.linalg.matrix_power(chain, 2_000)[0]
    taken = np.minimum(np.maximum(np.arange(size), 1), most)
    mean_batch = float(state @ taken)
    # In a cycle: the idle wait for the first one, if nobody waits, and the service. As many leave as come.
    cycle = float(state[0] / rate + state @ seconds[taken])
    assert mean_batch / cycle == pytest.approx(rate, rel=1e-3)
    latencies = simulate(arrivals(rate), lambda batch: base + slope * batch, 1, most)
    # By Little's law over the waiting room: mean latency is that of the service, which large batches have more of, and
    # of the wait.
    assert latencies.mean() == pytest.approx(_mean_latency(state, seconds, taken, rate, cycle), rel=0.03)


def _poisson(mean: float, size: int) -> np.ndarray:
    logs = np.cumsum(np.concatenate(([0.0], np.log(np.arange(1, size)))))
    found: np.ndarray = np.exp(np.arange(size) * np.log(mean) - mean - logs)
    return found


def _mean_latency(state: np.ndarray, seconds: np.ndarray, taken: np.ndarray, rate: float, cycle: float) -> float:
    """Mean number in the system over mean rate: in service, in a service's time its batch, those left behind, and those
    who come, on average half of them; while idle nobody."""
    waiting = np.maximum(np.arange(len(state)), 1)
    in_system = seconds[taken] * (waiting + rate * seconds[taken] / 2)
    return float(state @ in_system) / cycle / rate


def test_whoever_waits_is_taken_together_up_to_the_most() -> None:
    latencies = simulate([0.0, 0.1, 0.2, 0.3], lambda batch: float(batch), 1, 2)
    # The first alone until 1; two until 3; the last until 4.
    assert latencies.tolist() == pytest.approx([1.0, 2.9, 2.8, 3.7])


def test_a_request_joins_at_any_step() -> None:
    latencies = simulate([0.0, 1.5], lambda _: 1.0, 3, 4)
    assert latencies.tolist() == pytest.approx([3.0, 3.5])


def test_poisson_arrivals_come_again() -> None:
    assert np.array_equal(unit_poisson(10, 1), unit_poisson(10, 1))
    assert unit_poisson(NUM, 1)[-1] == pytest.approx(NUM, rel=0.01)
