"""However the table of the int8 form is written, the new one takes its place, and model.toml stays readable."""

import shutil
import tomllib
from pathlib import Path

import pytest

from tandem.cli.models.quantisation.int8_form import FILE, TABLE, add_int8_form, without_int8_form
from tandem.cli.models.quantisation.quantisation import Loss
from tandem.shared.errors import ExpectedError
from tandem.shared.models import ModelRepository

MODELS = Path(__file__).parents[6] / "models"
LOSS = Loss([10.0], [10.5], 0.01)
TABLE_TEXT = """
generator = "generator-int8.onnx"
fid = [
  1.0,
]
"""
HEADINGS = ["[int8]", "[int8]  # measured", "[ int8 ]", "  [int8]", '["int8"]', "[ 'int8' ] # [measured]"]


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("after", ["", "[sampling]\ntop_k = 1\n", "  [sampling]\ntop_k = 1\n"])
def test_the_table_is_removed_and_nothing_else(heading: str, after: str) -> None:
    before = 'kind = "gan"\n\n[int8_of_another]\nx = 1\n'
    assert without_int8_form(f"{before}{heading}{TABLE_TEXT}{after}") == before + after


def quantised(tmp_path: Path, replaced: str) -> Path:
    """Add an int8 form to fashion-gan, whose table has `replaced` as its heading; return the folder."""
    folder = tmp_path / "models" / "fashion-gan"
    shutil.copytree(MODELS / "fashion-gan", folder)
    model = ModelRepository(tmp_path / "models").get("fashion-gan")
    toml = folder / "model.toml"
    toml.write_text(toml.read_text().replace(f"[{TABLE}]", replaced))
    generator = tmp_path / "generator.onnx"
    generator.write_bytes(b"new")
    add_int8_form(model, generator, LOSS, 100)
    return folder


def test_what_would_make_it_unreadable_is_refused_and_all_stays(tmp_path: Path) -> None:
    with pytest.raises(ExpectedError, match=r"model\.toml: its int8 is not a table of its own; remove it"):
        quantised(tmp_path, '[ "int\\u0038" ]')
    folder = tmp_path / "models" / "fashion-gan"
    assert (folder / FILE).read_bytes() == (MODELS / "fashion-gan" / FILE).read_bytes()
    assert list(tomllib.loads((folder / "model.toml").read_text())).count(TABLE) == 1
