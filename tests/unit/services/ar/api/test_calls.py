"""Calls are read out of a text in whatever parts it comes."""

from __future__ import annotations

import json
import random

import pytest

from runtime.rpc.choices import join_messages
from services.ar.api.calls import CallReader
from services.ar.codecs.chat.tools import BARE, TAGGED, CallForm
from tandem.ar.v1 import ar_pb2

ARGUMENTS = json.dumps({"a": '}\n</tool_call> \\" {[', "b": [{}, [1, {"c": "}"}]], "\\": "\\\\"}, ensure_ascii=False)
NAMES = ("look", "look_up", "wait")


def read(
    text: str, cuts: list[int], form: CallForm = TAGGED, is_required: bool = False
) -> tuple[str, list[tuple[str, str]], CallReader]:
    """Return what is said and the calls, of a text that comes in parts."""
    reader, said, messages = CallReader(form, NAMES, is_required), "", []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        part, calls = reader.feed(text[begin:end], end == len(text))
        said += part
        messages.append(ar_pb2.GenerateResponse(tool_calls=calls))
    calls = join_messages(messages).choices[0].tool_calls
    assert len({call.id for call in calls}) == len(calls)
    assert all(call.id.startswith("call_") for call in calls)
    return said, [(call.name, call.arguments) for call in calls], reader


def in_parts(text: str) -> list[list[int]]:
    """Return ways to cut a text: not at all, at each character, and at random."""
    chance = random.Random(3)
    some = [sorted(chance.sample(range(len(text)), min(5, len(text)))) for _ in range(20)]
    return [[], list(range(1, len(text))), *some]


@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        ("", "", []),
        ("Hello <tool_", "Hello <tool_", []),
        (TAGGED.written("look", ARGUMENTS), "", [("look", ARGUMENTS)]),
        ("Wait. " + TAGGED.written("look_up", ARGUMENTS), "Wait. ", [("look_up", ARGUMENTS)]),
        (
            "é\n" + "\n".join([TAGGED.written("wait", "{}"), TAGGED.written("look", ARGUMENTS)]),
            "é\n",
            [("wait", "{}"), ("look", ARGUMENTS)],
        ),
    ],
)
def test_calls_and_what_is_said_before_them(text: str, said: str, calls: list[tuple[str, str]]) -> None:
    for cuts in in_parts(text):
        found = read(text, cuts)
        assert found[:2] == (said, calls)
        assert found[2].num_whole_calls == len(calls)


@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        (BARE.written("wait", ARGUMENTS), "", [("wait", ARGUMENTS)]),
        ('{"n": 1}', '{"n": 1}', []),
        ('{"name": "Ada", "parameters": {}}', '{"name": "Ada", "parameters": {}}', []),
        ("As in " + BARE.written("wait", "{}"), "As in " + BARE.written("wait", "{}"), []),
    ],
)
def test_a_call_without_tags_is_the_whole_output(text: str, said: str, calls: list[tuple[str, str]]) -> None:
    for cuts in in_parts(text):
        assert read(text, cuts, BARE)[:2] == (said, calls)


@pytest.mark.parametrize("form", [TAGGED, BARE], ids=["tagged", "bare"])
@pytest.mark.parametrize("is_required", [True, False])
def test_a_call_that_is_cut_short_is_no_text_and_not_whole(form: CallForm, is_required: bool) -> None:
    whole = form.written("look", ARGUMENTS)
    begin = whole.index(ARGUMENTS)
    for length in range(len(whole)):
        said, calls, reader = read(whole[:length], [], form, is_required)
        assert said == ("" if is_required or length >= len(form.trigger) else whole[:length])
        assert calls == ([("look", whole[begin:length][: len(ARGUMENTS)])] if length >= begin else [])
        assert reader.num_whole_calls == (length >= begin + len(ARGUMENTS))


def test_arguments_come_as_they_are_written() -> None:
    reader = CallReader(TAGGED, NAMES, is_required=True)
    begin, end = TAGGED.written("look", "|").split("|")
    parts = [reader.feed(part, is_last=False)[1] for part in (begin, '{"a": ', '"b"', "}", end)]
    [[first], *others, nothing] = parts
    assert (first.name, first.arguments, nothing) == ("look", "", [])
    assert [[(part.id, part.arguments) for part in other] for other in others] == [
        [("", '{"a": ')],
        [("", '"b"')],
        [("", "}")],
    ]
