"""Damaged model files at the loaders: refused in words, within limits of time and memory, each in a child process."""

from pathlib import Path

import pytest

from tests.faults.report import Sheet
from tests.model_fuzz import GGUF, HUGGINGFACE
from tests.model_fuzz.bases import write_bases
from tests.model_fuzz.driver import FULL_COUNT, fuzz

FORMATS = (GGUF, HUGGINGFACE)


@pytest.mark.faults  # the loaders' own tests do a quick count
@pytest.mark.parametrize("form", FORMATS)
def test_damaged_model_files(tmp_path: Path, sheet: Sheet, form: str) -> None:
    """Mutated headers, values, names and sizes of tiny models are opened under 5 s of processor time and 1 GiB."""
    write_bases(tmp_path)
    report = fuzz(tmp_path, form, FULL_COUNT // len(FORMATS))
    for line in report.failures:
        print(line)
    loaded, refused = report.num_loaded, report.num_refused
    sheet.expect(
        *(f"damaged {form} models: neither loaded nor refused in words", len(report.failures)),
        f"of {FULL_COUNT // len(FORMATS)} ({loaded} still load, {refused} are refused)",
        bar="0",
        passed=not report.failures and loaded > 0 and refused > 0,
    )
