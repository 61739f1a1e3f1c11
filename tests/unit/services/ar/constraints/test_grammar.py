import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ar.constraints.grammar import Constraint, grammar_of
from services.ar.constraints.grammar_mask import request_masks
from tests.unit.services.ar.constraints.texts import accepts, next_tokens


def test_json_has_a_space_behind_its_marks_or_none_and_nowhere_else(compiler):
    object_, any_ = compiler.compile(Constraint("json_object")), compiler.compile(Constraint("json_schema", ("{}",)))
    for text in ('{"a":1,"b":[true,null]}', '{"a": 1, "b": [true, null]}', '{"a":"é\\n"}', "{}"):
        assert accepts(object_, text)
        assert accepts(any_, text)
    for text in ('{"a":  1}', '{ "a":1}', '{"a":1 }', '{"a":1} ', "[1]", '{"a":01}', '{"a"}'):
        assert not accepts(object_, text)


@settings(max_examples=30)
@given(texts=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_a_choice_is_its_texts_to_the_letter(compiler, texts):
    compiled = compiler.compile(Constraint("choice", tuple(texts)))
    assert all(accepts(compiled, text) for text in texts)
    assert not accepts(compiled, texts[0] + "x" * 13)


def test_a_text_that_looks_like_a_control_token_is_spelt(compiler):
    compiled = compiler.compile(Constraint("choice", ("<|end|>",)))
    (mask,) = request_masks(compiled, 1)
    assert 1 not in next_tokens(mask)
    assert accepts(compiled, "<|end|>")


@pytest.mark.parametrize(
    ("regex", "yes", "no"),
    [
        ("a+b?", "aab", "abb"),
        ("^abc$", "abc", "abcd"),
        (r"\d{2,3}", "123", "1"),
        ("ü|ß", "ß", "u"),
        ("(?i)ok", "oK", "k"),
    ],
)
def test_an_expression_matches_from_beginning_to_end(compiler, regex, yes, no):
    compiled = compiler.compile(Constraint("regex", (regex,)))
    assert accepts(compiled, yes)
    assert not accepts(compiled, no)


def test_a_lark_grammar_begins_with_start(compiler):
    compiled = compiler.compile(Constraint("lark", ('start: sum\nsum: N ("+" N)*\nN: /[0-9]+/',)))
    assert accepts(compiled, "1+22+3")
    assert not accepts(compiled, "1+")


@pytest.mark.parametrize("schema", ["[1]", "true", "{", '{"a":' * 5000 + "1" + "}" * 5000, '{"minimum":' + "9" * 5000])
def test_a_schema_that_is_no_json_object_is_told_at_once(schema):
    with pytest.raises(ValueError, match=r"."):
        grammar_of(Constraint("json_schema", (schema,)))


def test_keywords_that_only_describe_do_no_harm_and_others_are_put_otherwise(compiler):
    record = {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"enum": [1]}}
    properties = {
        "scores": record,
        "format": {"type": "string", "format": "int64", "maxLength": 3},
        "propertyNames": {"const": {"format": "path", "propertyNames": {}}},
        "ages": {"propertyNames": {"enum": ["ann", 5, "bob"], "type": "string"}, "additionalProperties": {"enum": [3]}},
        "day": {"anyOf": [{"type": "string", "format": "date"}]},
    }
    schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    schema["$id"] = "A name"
    compiled = compiler.compile(Constraint("json_schema", (json.dumps(schema),)))
    names = properties["propertyNames"]["const"]
    good = {"scores": {"a": 1}, "format": "x", "propertyNames": names, "ages": {"bob": 3}, "day": "2026-12-01"}
    assert accepts(compiled, json.dumps(good))
    ages = [{"ages": {"bob": 4}}, {"ages": {"5": 3}}]
    for wrong in ({"scores": {"a": 2}}, {"format": "xxxx"}, {"propertyNames": {}}, {"day": "today"}, *ages):
        assert not accepts(compiled, json.dumps({**good, **wrong}))
