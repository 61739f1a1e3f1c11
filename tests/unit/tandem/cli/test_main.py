"""The list of commands: each loads when it is called, and explains itself."""

import subprocess
import sys

from typer.testing import CliRunner

from tandem.cli.main import app


def test_no_command_loads_before_it_is_called() -> None:
    code = "import sys, tandem.cli.main; print(*(name for name in sys.modules if name.startswith('tandem.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) <= {"tandem.cli", "tandem.cli.main", "tandem.cli.command_line", "tandem.version"}


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("tandem ")
