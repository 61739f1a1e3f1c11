"""Places in a text for values: ${name}, or ${name:value} with a value of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]
Values = Mapping[str, str | int | bool]

# That of libyaml, which PyYAML has on most machines, reads in a tenth of the time.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLACE = re.compile(r"\$\{(\w+)(?::([^}]*))?\}")


def defaults(template: Path) -> dict[str, str]:
    """Return the values that the template itself has, by name."""
    return {name: value for name, value in _PLACE.findall(template.read_text()) if value}


def fill(template: Path, values: Values) -> Json:
    """Return the YAML document with a value in each place. Raises KeyError for a value without a place, or the reverse.

    A value goes in as text: quoting is up to the template.
    """
    text, own = template.read_text(), defaults(template)
    if unknown := values.keys() - {name for name, _ in _PLACE.findall(text)}:
        raise KeyError(f"{template.name} has no place for {', '.join(sorted(unknown))}")
    told = {**own, **{name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}}
    document: Json = yaml.load(_PLACE.sub(lambda place: told[place[1]], text), _LOADER)  # noqa: S506  both are safe
    return document
