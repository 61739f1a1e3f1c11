"""What an output may be where functions may be called: forced from a call's first token on, free before it."""

import json

import jsonschema
import pytest

from services.ar.codecs.chat.tools import BARE, TAGGED, CallForm, Tool
from services.ar.constraints.calls import ToolUse, calls_constraint, json_object
from services.ar.constraints.compiler import Compiler
from services.ar.constraints.grammar import Constraint
from services.ar.constraints.grammar_mask import request_masks
from tandem.shared.errors import InvalidArgument
from tests.unit.services.ar.constraints.texts import CODEC, END, accepts, generated

CITY = {
    "type": "object",
    "properties": {"city": {"$ref": "#/$defs/city"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city"],
    "additionalProperties": False,
    "$defs": {"city": {"enum": ["Bern", "Rome"]}},
}
TOOLS = [
    Tool("weather", "", CITY),
    Tool("weather_now", "", {"type": "object", "properties": {}, "additionalProperties": False}),
]
ONE, OTHER = '{"city": "Bern"}', "{}"
FORMS = pytest.mark.parametrize("form", [TAGGED, BARE], ids=["tagged", "bare"])


def use(called: tuple[int, ...] = (0, 1), is_required: bool = False, is_single: bool = False) -> ToolUse:
    return ToolUse(TOOLS, list(called), is_required, is_single)


@FORMS
def test_a_required_call_is_all_there_is(compiler: Compiler, form: CallForm) -> None:
    compiled = compiler.compile(calls_constraint(use(is_required=True), form, None))
    assert accepts(compiled, form.written("weather", ONE))
    assert accepts(compiled, form.written("weather_now", OTHER))
    for text in ("", "Hello", f"x{form.written('weather', ONE)}", form.written("another", ONE)):
        assert not accepts(compiled, text)
    assert not accepts(compiled, form.written("weather", '{"city": "Oslo"}'))
    assert not accepts(compiled, form.written("weather", ONE) + " and more")


@FORMS
def test_a_named_function_is_called_once(compiler: Compiler, form: CallForm) -> None:
    constraint = calls_constraint(use(called=(1,), is_required=True, is_single=True), form, None)
    (mask,) = request_masks(compiler.compile(constraint), 1)
    token_ids = generated(mask, seed=1)
    text = b"".join(map(CODEC.token_bytes, token_ids)).decode()
    assert (text, mask.is_complete) == (form.written("weather_now", OTHER), True)


@FORMS
@pytest.mark.parametrize("seed", range(8))
def test_what_chance_writes_is_valid_arguments(compiler: Compiler, form: CallForm, seed: int) -> None:
    constraint = calls_constraint(use(called=(0,), is_required=True, is_single=True), form, None)
    (mask,) = request_masks(compiler.compile(constraint), 1)
    text = b"".join(CODEC.token_bytes(token_id) for token_id in generated(mask, seed) if token_id != END).decode()
    begin, end = form.written("weather", "|").split("|")
    assert text.startswith(begin)
    jsonschema.validate(json.loads(text[len(begin) : len(text) - len(end)]), CITY)


@pytest.mark.parametrize(
    ("more", "is_open"),
    [({}, False), ({"additionalProperties": True}, True), ({"allOf": [{"properties": {"b": {"enum": [1]}}}]}, True)],
)
def test_a_function_gets_arguments_that_it_knows(compiler: Compiler, more: dict[str, object], is_open: bool) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"a": {"enum": [1]}}, **more})
    compiled = compiler.compile(calls_constraint(ToolUse([tool], [0], True, True), TAGGED, None))
    assert accepts(compiled, TAGGED.written("f", '{"a": 1}'))
    assert accepts(compiled, TAGGED.written("f", '{"a": 1, "b": 1}')) == is_open


def test_where_the_model_decides_a_text_is_free_until_a_call_begins(compiler: Compiler) -> None:
    compiled = compiler.compile(calls_constraint(use(), TAGGED, None))
    call = TAGGED.written("weather", ONE)
    for text in ("", "Hello", "a <tool_ call> {\n", "a <tool_call", call, f"Let me see.\n{call}", f"{call}\n{call}"):
        assert accepts(compiled, text), text
    for text in ("<tool_call>", "a <tool_call> is a tag", f"{call} so", f"{call}\nso", f"{call}{call}"):
        assert not accepts(compiled, text), text
    single = compiler.compile(calls_constraint(use(is_single=True), TAGGED, None))
    assert accepts(single, call)
    assert not accepts(single, f"{call}\n{call}")


def test_a_call_without_tags_is_the_whole_output(compiler: Compiler) -> None:
    compiled = compiler.compile(calls_constraint(use(), BARE, None))
    call = BARE.written("weather", ONE)
    for text in ("", "Hello", '{"n": 1}', call, 'As in {"name": "x"}'):
        assert accepts(compiled, text), text
    for text in ('{"name": "x"}', f"{call}{call}", f"{call} so"):
        assert not accepts(compiled, text), text


@pytest.mark.parametrize(
    "said", [Constraint("json_schema", ('{"type": "array", "items": {"enum": [1]}}',)), Constraint("json_object")]
)
def test_an_answer_without_calls_matches_what_is_asked_of_it(compiler: Compiler, said: Constraint) -> None:
    compiled = compiler.compile(calls_constraint(use(), TAGGED, said))
    assert accepts(compiled, TAGGED.written("weather", ONE))
    assert accepts(compiled, "[1, 1]") == (said.kind == "json_schema")
    assert accepts(compiled, '{"a": [2]}') == (said.kind == "json_object")
    assert not accepts(compiled, "Hello")
    assert not accepts(compiled, f"[1]{TAGGED.written('weather', ONE)}")


@pytest.mark.parametrize(
    ("kind", "form"), [("regex", TAGGED), ("choice", TAGGED), ("lark", TAGGED), ("json_object", BARE)]
)
def test_what_cannot_be_told_from_a_call_is_refused(kind, form: CallForm) -> None:
    with pytest.raises(InvalidArgument, match=rf"sampling\.{kind}: .*beside the functions"):
        calls_constraint(use(), form, Constraint(kind, ("a",)))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [({"uniqueItems": True}, "Unimplemented keys"), ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "does not exist")],
)
def test_a_schema_that_is_none_is_refused_by_its_function(compiler: Compiler, schema, reason: str) -> None:
    bad = Tool("bad", "", {"type": "object", **schema})
    with pytest.raises(InvalidArgument, match=reason) as caught:
        compiler.compile(calls_constraint(ToolUse([*TOOLS, bad], [0, 2], False, False), TAGGED, None))
    assert caught.value.field == "chat.tools[2].parameters"
    with pytest.raises(InvalidArgument) as caught:
        compiler.compile(calls_constraint(use(), TAGGED, Constraint("json_schema", ('{"type": "frob"}',))))
    assert caught.value.field == "sampling.json_schema"


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": "\\ud800"}', '{"a":' * 100 + "1" + "}" * 100, "[" * 100_000])
def test_what_is_no_object_in_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"where: .* is not accepted; accepted: a JSON object"):
        json_object("where", text)
    assert json_object("where", '{"a": [{"b": "ü"}]}') == {"a": [{"b": "ü"}]}
