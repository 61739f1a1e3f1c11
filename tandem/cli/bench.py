"""`tandem bench`: measuring under load. The list of its commands; each has a file of its own."""

import typer

from tandem.cli import bench_compare, bench_fit, bench_growth, bench_report, bench_run, bench_sweep, bench_tradeoff

app = typer.Typer(help="Measure under load: one run, or a sweep over rates or callers.", no_args_is_help=True)
app.command()(bench_run.run)
app.command()(bench_sweep.sweep)
app.command()(bench_fit.fit)
app.command()(bench_growth.growth)
app.command()(bench_report.report)
app.command()(bench_compare.compare)
app.command()(bench_tradeoff.tradeoff)
