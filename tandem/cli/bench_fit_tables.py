"""What a fit found, for people: the curves, the check of the prediction, and the answers."""

from rich.table import Table

from bench.crossover.document import Crossover, FittedCurve, HeldOut, Interval
from tandem.cli.terminal import Terminal, printable, seconds_text


def show_crossover(found: Crossover, terminal: Terminal) -> None:
    """Print everything that matters, what is wrong last and loudly."""
    if found.services:
        terminal.out.print(_curves(found))
    if any(each.held_out for each in found.capacities):
        terminal.out.print(_checks(found))
    for capacity in found.capacities:
        slo = f"p99 within {seconds_text(capacity.slo_seconds)}"
        terminal.out.print(f"{capacity.paradigm}, {slo}: {capacity.verdict}", markup=False)
    for answer in found.answers:
        terminal.out.print(f"\n{answer.asked}", style="bold", markup=False, soft_wrap=True)
        terminal.out.print(printable(answer.text), markup=False, soft_wrap=True)
    for caveat in found.caveats:
        terminal.note(f"caveat: {printable(caveat)}")
    if found.is_partial:
        terminal.fail("PARTIAL: this fit did not go to its end")
    for problem in found.problems:
        terminal.fail(printable(problem))


def _curves(found: Crossover) -> Table:
    table = Table("curve", "base", "slope a request", "knee", "slope after", "residuals")
    for service in found.services:
        unit = "t_step(batch)" if service.paradigm == "sequential" else "t_batch(batch)"
        for name, curve in ((unit, service.unit), ("t0(in flight)", service.rest), ("whole(in flight)", service.whole)):
            table.add_row(f"{service.paradigm} {name}", *_cells(curve))
    return table


def _cells(curve: FittedCurve) -> tuple[str, ...]:
    return (
        _spread(curve.base_seconds),
        _spread(curve.slope_seconds),
        "" if curve.knee is None else f"{curve.knee:.3g}",
        "" if curve.slope_after_seconds is None else _spread(curve.slope_after_seconds),
        curve.verdict if curve.is_good else curve.verdict.partition(":")[0],
    )


def _spread(value: Interval) -> str:
    return f"{seconds_text(value.value)} ({seconds_text(value.low)} to {seconds_text(value.high)})"


def _checks(found: Crossover) -> Table:
    table = Table("held out: predicted / measured", "offered", "p50", "p99", "in time")
    for capacity in found.capacities:
        for run in capacity.held_out:
            name = capacity.paradigm if run.valid else f"{capacity.paradigm}, INVALID"
            table.add_row(name, f"{run.rate_per_second:,.4g}/s", *_check_cells(run))
    return table


def _check_cells(run: HeldOut) -> tuple[str, ...]:
    share = "-" if run.measured_share_within_slo is None else f"{run.measured_share_within_slo:.1%}"
    return (
        f"{seconds_text(run.predicted_p50_seconds)} / {_known(run.measured_p50_seconds)}",
        f"{seconds_text(run.predicted_p99_seconds)} / {_known(run.measured_p99_seconds)}",
        f"{run.predicted_share_within_slo:.1%} / {share}",
    )


def _known(seconds: float | None) -> str:
    return "-" if seconds is None else seconds_text(seconds)
