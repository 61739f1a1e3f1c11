"""A race's table, and what it comes to."""

from rich.console import Console

from tandem.measure.report.sentences.comparison import headlines
from tandem.measure.report.tables.comparison import race_table
from tandem.measure.report.tables.writers import terminal_table
from tandem.measure.results.comparison import Comparison
from tests.unit.tandem.measure.studies.comparison.seen import controlled, findings, made, one_caller, settings

ALONE = settings(concurrencies=(1,))
TIMES = {"sequential_streamed": 0.1, "sequential_unary": 0.08, "parallel_streamed": 0.004, "parallel_unary": 0.002}


def raced(num_rounds: int) -> Comparison:
    return made(findings(trials=one_caller(num_rounds, **TIMES), settings=ALONE))


def shown(what: object, width: int = 120) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def test_medians_ratios_and_counts_are_shown() -> None:
    text = shown(terminal_table(race_table(raced(10))))
    for part in ("50 ms", "100 ms", "80 ms", "4 ms", "2 ms", "40x", "200, 0"):
        assert part in text


def test_what_it_comes_to_is_said_in_a_sentence() -> None:
    first, second = headlines(raced(10))
    assert first == (
        "One 4x4 image of a class, one caller: 2 ms from gan (parallel), 80 ms from ar (sequential),"
        " 40 times as long (40 to 40)."
    )
    assert second == "Streamed, the first token of the sequential model arrives after 50 ms."


def test_a_control_is_said_in_a_sentence() -> None:
    *_, text = headlines(controlled(*[1.25] * 20))
    assert text == (
        "Control: two series of the same unary call differ by up to 25.0% in the latency of one caller (the far end of"
        " the interval). A smaller difference between modes means nothing here."
    )


def test_nothing_measured_is_left_out() -> None:
    document = made(findings(stop_reason="broken off by hand", settings=ALONE))
    assert "whole image" not in shown(terminal_table(race_table(document)))
    assert next(iter(headlines(document))).startswith("PARTIAL")
