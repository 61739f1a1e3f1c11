"""What is refused and why; hostile grammars end in an error of their own, and the compiler goes on."""

import gc
import json
import weakref

import pytest

from services.ar.constraints import compiler as module
from services.ar.constraints.grammar import Constraint, Kind
from services.ar.constraints.grammar_mask import request_masks
from tandem.shared.errors import InvalidArgument, TandemError, TooComplex, Unavailable
from tests.unit.services.ar.constraints.texts import accepts, byte_tokens, generated, tiny_compiler


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("json_schema", "[1]", "Expecting object"),
        ("json_schema", '{"type": "frob"}', "Invalid type: frob"),
        ("json_schema", '{"not": {}}', 'Unimplemented keys: ["not"]'),
        ("json_schema", '{"propertyNames": {"pattern": "a"}}', 'Unimplemented keys: ["propertyNames"]'),
        ("json_schema", '{"$ref": "#/$defs/none"}', "does not exist"),
        ("json_schema", '{"$ref": "file:///etc/passwd"}', "not present"),
        ("json_schema", '{"allOf": [{"type": "string"}, {"type": "null"}]}', "Unsatisfiable"),
        ("json_schema", '{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}', "no text matches it"),
        ("regex", "(a", "unclosed group"),
        ("regex", r"(a)\1", "backreferences"),
        ("lark", "start: ??", "Expected value"),
        ("lark", "start: @other", "unknown grammar"),
        ("lark", "start: a\na: b\nb: a", "no text matches it"),
    ],
)
def test_what_is_no_grammar_is_refused_by_field_value_and_reason(compiler, kind: Kind, text, reason):
    with pytest.raises(InvalidArgument) as caught:
        compiler.compile(Constraint(kind, (text,)))
    assert caught.value.field == f"sampling.{kind}"
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


class Refused:
    """A matcher of what turns out to be no grammar."""

    def is_error(self) -> bool:
        return True

    def get_error(self) -> str:
        return "no grammar"


def test_a_refused_grammar_is_gone_at_once(compiler, monkeypatch):
    made: list[weakref.ref[Refused]] = []

    def matcher(*_: object) -> Refused:
        refused = Refused()
        made.append(weakref.ref(refused))
        return refused

    monkeypatch.setattr(module, "limited_matcher", matcher)
    gc.collect()
    gc.disable()  # cycles of references stay
    try:
        with pytest.raises(InvalidArgument, match="no grammar") as caught:
            compiler.compile(Constraint("regex", ("ab",)))
        caught.value.with_traceback(None)
        del caught
        assert made[0]() is None
    finally:
        gc.enable()


def chain(count: int, link: str, last: str) -> str:
    return "\n".join([link.format(number, number + 1) for number in range(count)] + [last.format(count)])


def schema(value: object) -> Constraint:
    return Constraint("json_schema", (json.dumps(value),))


def refs(count: int, around: str) -> Constraint:
    links = [f'"{number}": {around % f"#/a/{number + 1}"}' for number in range(count)]
    text = '{"$ref": "#/a/0", "a": {' + ", ".join([*links, f'"{count}": {{"type": "null"}}']) + "}}"
    return Constraint("json_schema", (text,))


HOSTILE = {
    "nested values": Constraint("json_schema", ('{"items":' * 7000 + "{}" + "}" * 7000,)),
    "an enum of thousands": schema({"enum": [str(number) for number in range(7000)]}),
    "lengths of a thousand million": schema({"type": "string", "minLength": 10**9}),
    "patterns compared in pairs": schema(
        {"type": "object", "patternProperties": {f"^[a-z]*{number}x+$": {} for number in range(1500)}}
    ),
    "patterns intersected": schema(
        {"allOf": [{"type": "string", "pattern": f"^.*[a-m]{{{number % 9}}}{number}.*$"} for number in range(1000)]}
    ),
    "a chain of references": refs(1200, '{"items": {"$ref": "%s"}}'),
    "references that double": refs(700, '{"allOf": [{"$ref": "%s"}, {"type": "null"}]}'),
    "a cycle of references": schema({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
    "groups in groups": Constraint("regex", ("(" * 30_000 + "a" + ")" * 30_000,)),
    "repeats of repeats": Constraint("regex", ("((a{1,1000}){1,1000}){1,1000}",)),
    "states without number": Constraint("regex", ("(.*a.{1000}){50}",)),
    "a chain of terminals": Constraint("lark", ("start: R0\n" + chain(3200, 'R{}: ("x" R{})*', 'R{}: "c"'),)),
    "rules that double": Constraint("lark", ("start: r0\n" + chain(2000, "r{0}: r{1} r{1}", 'r{}: "a"'),)),
    "ambiguous rules": Constraint("lark", ('start: s\ns: s s s | s s | "a"* | "a"+ | ',)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_grammar_ends_with_itself(compiler, name):
    """Whatever comes of it, the process lives, the error is public, and the next grammar compiles."""
    try:
        (mask,) = request_masks(compiler.compile(HOSTILE[name]), 1)
        generated(mask, seed=1, most=20)
    except TandemError as error:
        assert isinstance(error, InvalidArgument | TooComplex)  # noqa: PT017
    assert accepts(compiler.compile(Constraint("regex", ("ok",))), "ok")


@pytest.mark.parametrize("name", ["patterns compared in pairs", "a chain of terminals", "states without number"])
def test_what_takes_too_much_is_told_as_too_complex(compiler, name):
    def generate() -> None:
        (mask,) = request_masks(compiler.compile(HOSTILE[name]), 1)
        for _ in range(100):
            mask.advance([*byte_tokens("a" * 20)])
            mask.masks([])

    with pytest.raises(TooComplex):
        generate()


def test_what_met_a_limit_is_refused_at_once_and_what_comes_again_is_remembered_longest(monkeypatch):
    compiler, tried = tiny_compiler(), []

    def refuse(constraint: Constraint) -> None:
        tried.append(constraint)
        raise TooComplex("why")

    monkeypatch.setattr(compiler, "_matcher", refuse)
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 3)
    of = [Constraint("regex", (str(number),)) for number in range(4)]
    for number in (0, 1, 2, 0, 3, 0, 2, 3, 1):  # 1 is forgotten for 3
        with pytest.raises(TooComplex):
            compiler.compile(of[number])
    assert tried == [*of, of[1]]


@pytest.mark.parametrize("error", [InvalidArgument("regex", "(", "more"), Unavailable("it stood still")])
def test_what_is_malformed_or_was_not_to_blame_is_not_remembered(compiler, monkeypatch, error):
    def refuse(constraint: Constraint) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(compiler, "_matcher", refuse)
        with pytest.raises(type(error)):
            compiler.compile(Constraint("regex", ("ok",)))
    assert accepts(compiler.compile(Constraint("regex", ("ok",))), "ok")


def test_bounds_are_not_in_the_way_of_large_honest_schemas(compiler):
    properties = {f"field_{number}": {"type": "integer"} for number in range(200)}
    large = {"type": "object", "properties": properties, "required": ["field_7"], "additionalProperties": False}
    assert accepts(compiler.compile(schema(large)), '{"field_7":3}')
    assert accepts(
        compiler.compile(Constraint("choice", tuple(f"text number {n}" for n in range(1000)))), "text number 7"
    )
