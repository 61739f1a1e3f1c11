"""`tandem bench report` as a process: what it leaves, and what it says is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.integration.tandem.cli.commands import run, run_each, tandem
from tests.unit.tandem.measure.report.conftest import results  # noqa: F401  a fixture


async def test_a_report_of_good_results(results: Path, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "new" / "report.html"
    ended = await run(*tandem("bench", "report", str(results), "--out", str(out)))
    assert (ended.code, ended.out.splitlines()[-1]) == (0, str(out)), ended.err
    assert "What it costs: 39 times the wait (63 ms for an image against 1.6 ms in parallel)" in ended.out
    assert out.stat().st_size < 600_000
    assert len(list((tmp_path / "new" / "report").glob("*.png"))) == 9


async def test_a_foreign_file_is_named_and_the_report_is_of_the_rest(results: Path, tmp_path: Path) -> None:  # noqa: F811
    own = Path(shutil.copytree(results, tmp_path / "own"))
    (own / "foreign.json").write_text("{}")
    ended = await run(*tandem("bench", "report", str(own), "--out", str(tmp_path / "report.html")))
    assert ended.code == 1
    assert "foreign.json: not a result of `tandem bench`" in ended.err
    assert (tmp_path / "report.html").exists()


async def test_a_folder_of_pngs_that_would_be_a_file_is_refused_before_writing(
    results: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "taken").write_text("mine")
    words = (("--out", str(tmp_path / "report")), ("--out", str(tmp_path / "taken.html")))
    for ended in await run_each(*(("bench", "report", str(results), *each) for each in words)):
        assert ended.code == 2, ended.err
        assert "give --png, or --out NAME.html" in " ".join(ended.err.replace("│", " ").split())
    assert not (tmp_path / "report").exists()
    assert not (tmp_path / "taken.html").exists()
    ended = await run(*tandem("bench", "report", str(results), *words[0], "--png", str(tmp_path / "pngs")))
    assert ended.code == 0, ended.err


async def test_nothing_to_report_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "foreign.json").write_text("{}")
    texts = {"missing.json": "no such file"} | {
        name: f"nothing to report: {name}: " for name in ("empty.json", "foreign.json")
    }
    out = ("--out", str(tmp_path / "report.html"))
    each = await run_each(*(("bench", "report", str(tmp_path / name), *out) for name in texts))
    for text, ended in zip(texts.values(), each, strict=True):
        assert ended.code == 1
        assert text in ended.err
        assert "Traceback" not in ended.err
    assert not (tmp_path / "report.html").exists()
