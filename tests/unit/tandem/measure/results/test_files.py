"""Documents of every kind out of files, and files that are none, each refused with the reason."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tandem.measure.results.comparison import Comparison
from tandem.measure.results.files import read_as, read_result, write_document
from tandem.measure.results.growth import Growth
from tandem.measure.results.header import SCHEMA_VERSION
from tandem.measure.results.schema import SCHEMA_FILE, json_schema
from tandem.shared.errors import ExpectedError
from tests.unit.tandem.measure.report.variants import variants
from tests.unit.tandem.measure.results.test_load import made

ROOT = Path(__file__).parents[5]


def test_a_document_is_read_as_it_was_written_and_keeps_to_the_schema(tmp_path: Path) -> None:
    schema = jsonschema.Draft202012Validator(json_schema())
    for kind in ("comparison", "growth", "steps", "colocation", "run"):
        document = variants()[kind]
        write_document(tmp_path / "result.json", document)
        assert read_result(tmp_path / "result.json") == document
        content = json.loads((tmp_path / "result.json").read_text())
        assert list(content)[:3] == ["kind", "schema_version", "tool_version"]
        assert (schema.is_valid(content), schema.is_valid(content | {"more": 1})) == (True, False)


def test_the_schema_that_users_read_is_that_of_the_documents() -> None:
    """`make schema` writes it anew."""
    assert json.loads((ROOT / SCHEMA_FILE).read_text()) == json_schema()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Expecting value"),
        ("[1]", "not a JSON object"),
        ("{}", f"it has no schema version, and this tandem reads {SCHEMA_VERSION} alone: measure again"),
        ('{"kind": "growth", "schema_version": 3}', "it has schema version 3, and this tandem reads 11 alone"),
        ('{"schema_version": 11}', "kind"),
        ('{"kind": "growth", "schema_version": 11}', "growth.tool_version"),
        ("[" * 100_000, "recursion"),
        ("\0", "Expecting value"),
    ],
)
def test_another_file_is_refused_by_name_and_with_the_reason(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(ExpectedError, match=r"other\.json: not a result of `tandem bench` or `tandem race`") as caught:
        read_result(tmp_path / "other.json")
    assert reason in str(caught.value)


@pytest.mark.parametrize(("kind", "wanted"), [(Growth, "growth"), (Comparison, "comparison")])
def test_a_document_of_another_kind_is_refused(kind: Any, wanted: str, tmp_path: Path) -> None:
    write_document(tmp_path / "run.json", made().document)
    with pytest.raises(ExpectedError, match=rf"run\.json: of kind 'load'; wanted is '{wanted}'"):
        read_as(tmp_path / "run.json", kind)
