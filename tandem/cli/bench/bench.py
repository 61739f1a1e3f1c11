"""`tandem bench`: measuring under load. The list of its commands; each has a file of its own."""

from tandem.cli.bench import colocation, fit, growth, report, run, sweep, tradeoff
from tandem.cli.bench.comparison import compare
from tandem.cli.command_line import CommandLine

app = CommandLine(help="Measure under load: one run, or a sweep over rates or callers.", no_args_is_help=True)
app.command()(run.run)
app.command()(sweep.sweep)
app.command()(fit.fit)
app.command()(growth.growth)
app.command()(colocation.colocation)
app.command()(report.report)
app.command()(compare.compare)
app.command()(tradeoff.tradeoff)
