"""Writes KIND.json beside itself, from the CustomResourceDefinition in the file named on the command line."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

LEFT_OUT = ("description", "default", "x-kubernetes-validations")


def pruned(schema: Any) -> Any:
    """Return what checks shape alone, with every object closed that lists its fields."""
    if isinstance(schema, list):
        return [pruned(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: pruned(value) for key, value in schema.items() if key not in LEFT_OUT and key != "properties"}
    if "properties" in schema:
        kept["properties"] = {name: pruned(field) for name, field in schema["properties"].items()}
        kept["additionalProperties"] = False
    return kept


def main() -> None:
    spec = yaml.safe_load(Path(sys.argv[1]).read_text())["spec"]
    version = next(version for version in spec["versions"] if version["storage"])
    schema = pruned(version["schema"]["openAPIV3Schema"])
    del schema["properties"]["status"]
    schema["properties"]["apiVersion"] = {"const": f"{spec['group']}/{version['name']}"}
    target = Path(__file__).with_name(f"{spec['names']['kind']}.json")
    target.write_text(json.dumps(schema, sort_keys=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
