"""From a constraint to the grammar that llguidance compiles, as text, and its trial. Knows no tokens.

Grammars are compiled in a process of their own first (`python -m`, see runtime.process.limited_work). llguidance has no
bound on time: pairs of `patternProperties` are compared one by one, and some kilobytes of them take minutes; chains of
some thousand definitions overflow the stack. What passed here is compiled once more, in the same time, where it is
wanted: matchers cannot be sent between processes.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from runtime.process.limited_work import serve

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions


Kind: TypeAlias = Literal["json_schema", "json_object", "regex", "lark", "choice"]


@dataclass(frozen=True)
class Constraint:
    """One of the kinds of tandem.ar.v1.SamplingParams.constraint; bounds are checked already, see api/validation.py.

    `texts`: the schema, the expression, the grammar, or the texts to choose from; none for "json_object". `origin`: the
    request's field that it came in, if that is not the one of its kind. `lines`: what the first lines of a grammar were
    made of, each of them of one.
    """

    kind: Kind
    texts: tuple[str, ...] = ()
    origin: str = ""
    lines: tuple["Constraint", ...] = ()

    @property
    def field(self) -> str:
        """The request's field that it came in."""
        return self.origin or f"sampling.{self.kind}"

    def blamed(self, reason: str) -> tuple["Constraint", str]:
        """Return what an error of the compiler is about, and the error without its place."""
        found = re.match(r"at (\d+)\(\d+\): (?:failed to compile JSON schema: )?(.*)", reason)
        if found is None or int(found[1]) > len(self.lines):
            return self, reason
        return self.lines[int(found[1]) - 1], found[2]


# One space at most, behind commas and colons alone: a model that is free to add more can go on with it for ever.
JSON_OPTIONS: "JsonCompileOptions" = {
    "item_separator": ", ?",
    "key_separator": ": ?",
    "whitespace_flexible": False,
    "whitespace_pattern": None,
    "coerce_one_of": False,
    "lenient": False,
}


_FORMATS = {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
_HAS_NAMES = {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
"""Keywords with a schema for each name."""
_HAS_VALUES = {"const", "default", "enum", "examples"}
_TEXTS: tuple[Any, ...] = ({}, {"type": "string"})
_ASKS_NOTHING: dict[str, Callable[[Any], bool]] = {
    "$id": lambda value: isinstance(value, str) and " " in value,
    "format": lambda value: isinstance(value, str) and value not in _FORMATS,
    "propertyNames": lambda value: value in _TEXTS,
}


def enforced(schema: Any) -> Any:
    """Return a schema without what llguidance refuses although it asks nothing of an output, or can be said otherwise.

    Libraries that derive schemas from types write it: other `format`s, which the draft has as descriptions,
    `propertyNames` that ask for texts, which all names are, or for some names, and an `$id` that no reference can name.
    """
    if isinstance(schema, list):
        return [enforced(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    match schema:
        case {"properties": _} | {"patternProperties": _}:
            pass
        case {"propertyNames": {"enum": [*names], **kind}, **rest} if kind in _TEXTS:
            each = rest.pop("additionalProperties", True)
            properties = {name: each for name in names if isinstance(name, str)}
            schema = {**rest, "properties": properties, "additionalProperties": False}
    kept = {}
    for key, value in schema.items():
        if key in _HAS_NAMES and isinstance(value, dict):
            kept[key] = {name: enforced(each) for name, each in value.items()}
        elif key in _HAS_VALUES:
            kept[key] = value
        elif key not in _ASKS_NOTHING or not _ASKS_NOTHING[key](value):
            kept[key] = enforced(value)
    return kept


def grammar_of(constraint: Constraint) -> str:
    """Return the grammar. Raises ValueError for a schema that is no JSON object; compiling finds other errors."""
    if constraint.kind == "json_schema":
        try:
            schema = json.dumps(enforced(json.loads(constraint.texts[0])))
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        return LLMatcher.grammar_from_json_schema(schema, overrides=JSON_OPTIONS)
    if constraint.kind == "json_object":
        return LLMatcher.grammar_from_json_schema('{"type": "object"}', overrides=JSON_OPTIONS)
    if constraint.kind == "lark":
        return LLMatcher.grammar_from_lark(constraint.texts[0])
    if constraint.kind == "regex":
        return LLMatcher.grammar_from_regex(constraint.texts[0])
    return LLMatcher.grammar_from_regex("|".join(map(re.escape, constraint.texts)))


_LIMITS = LLParserLimits(
    max_items_in_row=500,
    initial_lexer_fuel=50_000,
    step_lexer_fuel=30_000,
    step_max_items=10_000,
    max_lexer_states=10_000,
    max_grammar_size=50_000,
    verbose_errors=False,
)


def limited_matcher(table: LLTokenizer, grammar: str) -> LLMatcher:
    """Return a matcher of the grammar; its `is_error` is true if there is none."""
    return LLMatcher(table, grammar, log_level=0, limits=_LIMITS)


def prepare(opening: None) -> Callable[[str], None]:
    """Return what compiles a grammar, or finds it to be none, for a vocabulary of single bytes."""
    table = LLTokenizer("byte")

    def compile_(grammar: str) -> None:
        limited_matcher(table, grammar).compute_bitmask()

    return compile_


if __name__ == "__main__":
    serve(prepare)
