"""From a constraint to the grammar that llguidance compiles, as text. Knows no tokens."""

import re
from typing import TYPE_CHECKING

from llguidance import LLMatcher

from services.ar.constraints.constraint import Constraint

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

# One space at most, behind commas and colons alone: a model that is free to add more can go on with it for ever.
_JSON_OPTIONS: "JsonCompileOptions" = {
    "item_separator": ", ?",
    "key_separator": ": ?",
    "whitespace_flexible": False,
    "whitespace_pattern": None,
    "coerce_one_of": False,
    "lenient": False,
}


def grammar_of(constraint: Constraint) -> str:
    """Return the grammar. Raises ValueError for a schema that is no JSON object; compiling finds other errors."""
    if constraint.kind == "json_schema":
        return LLMatcher.grammar_from_json_schema(constraint.texts[0], overrides=_JSON_OPTIONS)
    if constraint.kind == "json_object":
        return LLMatcher.grammar_from_json_schema('{"type": "object"}', overrides=_JSON_OPTIONS)
    if constraint.kind == "lark":
        return LLMatcher.grammar_from_lark(constraint.texts[0])
    if constraint.kind == "regex":
        return LLMatcher.grammar_from_regex(constraint.texts[0])
    return LLMatcher.grammar_from_regex("|".join(map(re.escape, constraint.texts)))
