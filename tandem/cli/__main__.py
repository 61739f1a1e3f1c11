"""`python -m tandem.cli` is the `tandem` command."""

from tandem.cli.main import app

app(prog_name="tandem")
