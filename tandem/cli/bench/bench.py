"""`tandem bench`: measuring under load. The list of its commands; each has a file of its own."""

from tandem.cli.bench import compare, report, run, studies, tradeoff
from tandem.cli.command_line import CommandLine

app = CommandLine(help="Measure under load: one run, or a sweep over rates or callers.", no_args_is_help=True)
app.command()(run.run)
app.command()(run.sweep)
app.command()(studies.fit)
app.command()(studies.growth)
app.command()(studies.colocation)
app.command()(report.report)
app.command()(compare.compare)
app.command()(tradeoff.tradeoff)
