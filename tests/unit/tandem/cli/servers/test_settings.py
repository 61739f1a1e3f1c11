"""`tandem settings`: a line for each setting of each process, with its range."""

from typer.testing import CliRunner

from gateway.settings import GatewaySettings
from services.ar.settings import ArSettings
from services.gan.settings import GanSettings
from tandem.cli.main import app


def printed() -> str:
    result = CliRunner().invoke(app, ["settings"])
    assert result.exit_code == 0, result.output
    return result.output


def test_every_setting_has_a_line_with_its_meaning() -> None:
    rows = [line.strip("|").split("|") for line in printed().splitlines() if line.startswith("| `")]
    names = {row[0].strip(" `") for row in rows}
    assert names == {*GatewaySettings.model_fields, *ArSettings.model_fields, *GanSettings.model_fields}
    assert all(row[-1].strip() for row in rows)


def test_choices_bounds_and_defaults_are_said() -> None:
    page = printed()
    assert "| `port` | whole number >= 0, <= 65,535 | `50051` |" in page
    assert "| `kernel` | `auto`, `native`, `torch` | `auto` |" in page
    assert "| `gpu_memory_share` | number > 0, <= 1 | `0.9` |" in page
    assert "| `models` | list of text | `smollm2-135m-instruct`, `fashion-ar` |" in page
    assert "| `tls_cert` | path | none |" in page
