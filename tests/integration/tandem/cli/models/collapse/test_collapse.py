"""`tandem collapse` as a person runs it: a real process, real metrics, the committed models."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from tandem.cli.main import app
from tandem.cli.models.collapse.models import VARIANTS

MODELS = Path(__file__).parents[6] / "models"


def test_the_lesson_shows_what_fid_does_not_see(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    arguments = ["collapse", "--images", "1500", "--models-dir", str(MODELS), "--out", "pictures.png"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    rows = {
        cells[0]: [float(cell.rstrip("%")) for cell in cells[1:]]
        for line in result.stdout.splitlines()
        if (cells := re.split(r"\s{2,}", line.rstrip())) and cells[0] and len(cells) == 1 + len(VARIANTS)
    }
    healthy, many, few, narrow = zip(*rows.values(), strict=True)
    assert list(rows) == [
        *("fid, offline", "right class, offline", "variance, live", "nearest, live"),
        *("alarms, grown alike", "alarms, repeated"),
    ]
    assert healthy[0] < 1
    assert many[0] < 2 * healthy[0] + 1  # FID does not mind
    assert healthy[4:] == (0, 0)
    assert many[3] < 0.1
    assert few[5] > 0
    assert narrow[4] > 0
    with Image.open("pictures.png") as pictures:
        assert pictures.size[0] > 500
    assert "parallel: stopped" in result.stderr
