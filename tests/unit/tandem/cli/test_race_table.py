"""The race's table."""

from collections import Counter

from rich.console import Console

from tandem.cli.measurement import Finished, Measurement
from tandem.cli.race_table import race_table


def shown(*measurements: Measurement) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(race_table(measurements))
    return capture.get()


def test_figures_and_errors_are_shown() -> None:
    measurement = Measurement("sequential", "tokens", "Generate, streamed", 2, wall_seconds=2.0)
    measurement.latencies_seconds = [0.1, 0.2]
    measurement.finished = [Finished(10, 0.05, 0.0002, 0.0), Finished(30, 0.06, 0.0004, 0.0)]
    measurement.errors = Counter({"UNAVAILABLE": 3})
    text = shown(measurement)
    for part in ("20.0 tokens/s", "100 ms", "200 ms", "50 ms", "200 µs", "3 UNAVAILABLE", "5, 2"):
        assert part in text


def test_nothing_measured_is_a_dash_not_a_zero() -> None:
    lines = shown(Measurement("parallel", "images", "Sample", 1)).splitlines()
    (latency,) = [line for line in lines if "latency p50" in line]
    assert latency.split()[-2:] == ["-", "│"]
