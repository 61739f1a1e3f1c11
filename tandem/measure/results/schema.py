"""The JSON schema of all documents, for programs in other languages.

    python -m tandem.measure.results.schema

writes it anew to SCHEMA_FILE, in the root of the repository.
"""

import json
from pathlib import Path
from typing import Any

from tandem.measure.results.files import RESULT

SCHEMA_FILE = Path("docs/results.schema.json")


def json_schema() -> dict[str, Any]:
    """Return the schema, of documents as they are written."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Results of Tandem"}
    return {**head, **RESULT.json_schema(mode="serialization")}


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(json_schema(), indent=1) + "\n")
