"""Functions, calls and results in a conversation: as transformers lays them out, or as text, and never as markup."""

from __future__ import annotations

import json
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from services.ar.codecs.chat.prompt import ChatPrompt
from services.ar.codecs.chat.tools import BARE, TAGGED, CallForm, Tool, ToolCall, Turn, as_text, call_form
from tests.unit.services.ar.chat_models import CHATML, LLAMA_3, LLAMA_3_1, MODELS, QWEN

SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"enum": ["<é>", 'it\'s & "it"']}}}
TOOLS = [Tool("look", "Looks <up> what's there.", SCHEMA), Tool("wait", "", {"type": "object"})]
CALL = ToolCall("call_1", "look", {"b": "Zürich", "a": 'it\'s & "it"', "n": [1, {"x": None}]})
TURNS = [
    Turn("system", "Be brief."),
    Turn("user", "What is there?"),
    Turn("assistant", "", [CALL]),
    Turn("tool", "a clock", (), "call_1"),
    Turn("assistant", "A clock."),
    Turn("user", "And now?"),
]


def rendered_by_transformers(template: str, bos: str | None) -> str:
    """Return what apply_chat_template makes of the same conversation."""
    messages: list[dict[str, Any]] = [{"role": turn.role, "content": turn.content} for turn in TURNS]
    messages[2]["tool_calls"] = [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": CALL.arguments}}
    ]
    messages[3]["tool_call_id"] = "call_1"
    tools: list[dict[str, Any]] = [
        {"type": "function", "function": {"name": "look", "description": TOOLS[0].description, "parameters": SCHEMA}},
        {"type": "function", "function": {"name": "wait", "parameters": {"type": "object"}}},
    ]
    texts, _ = render_jinja_template(
        conversations=[messages], tools=tools, chat_template=template, add_generation_prompt=True, bos_token=bos
    )
    text: str = texts[0]
    return text


def prompt_of(name: str) -> ChatPrompt:
    model = MODELS[name]
    special = {"bos_token": model.bos} if model.bos else {}
    return ChatPrompt(model.template, special, model.tokenizer(), None, 100_000)


@pytest.mark.parametrize("name", ["qwen", "llama-3.1"])
def test_a_template_that_knows_functions_gets_what_transformers_gives_it(name: str) -> None:
    text = prompt_of(name).render(TURNS, TOOLS)
    assert text == rendered_by_transformers(MODELS[name].template, MODELS[name].bos)
    assert json.dumps(CALL.arguments, ensure_ascii=False) in text


@pytest.mark.parametrize(
    ("template", "form", "knows_tools"),
    [
        (QWEN, TAGGED, True),
        (LLAMA_3_1, BARE, True),
        (CHATML, TAGGED, False),
        (LLAMA_3, TAGGED, False),
        (None, TAGGED, False),
        # Those of Qwen3-Coder and GLM have forms of their own, which are none of these.
        ("{% if tools %}<tool_call>\n<function=example>\n<parameter=x>{% endif %}", TAGGED, False),
        ("{% if tools %}<tool_call>{function-name}\n<arg_key>{arg-key}</arg_key>{% endif %}", TAGGED, False),
    ],
)
def test_the_form_of_calls_is_the_template_s(template: str | None, form: CallForm, knows_tools: bool) -> None:
    assert call_form(template) == (form, knows_tools)


def test_where_the_template_knows_none_all_is_text() -> None:
    second = ToolCall("call_2", "wait", {})
    turns = [
        Turn("user", "Go."),
        Turn("assistant", "Well:", [CALL, second]),
        Turn("tool", "a", (), "call_1"),
        Turn("tool", "b", (), "call_2"),
    ]
    laid_out = as_text(turns, TOOLS)
    system, _, assistant, results = laid_out["messages"]
    assert (system["role"], laid_out["tools"]) == ("system", None)
    listed = system["content"].partition("<tools>\n")[2].partition("\n</tools>")[0].splitlines()
    assert [json.loads(line)["function"]["name"] for line in listed] == ["look", "wait"]
    assert json.loads(listed[0])["function"]["parameters"] == SCHEMA
    said, *calls = assistant["content"].split("<tool_call>\n")
    assert said == "Well:\n"
    assert json.loads(calls[0].partition("\n</tool_call>")[0]) == {"name": "look", "arguments": CALL.arguments}
    assert calls[1] == '{"name": "wait", "arguments": {}}\n</tool_call>'
    assert results == {
        "role": "user",
        "content": "<tool_response>\na\n</tool_response>\n<tool_response>\nb\n</tool_response>",
    }
    with_system = as_text([Turn("system", "Be brief."), turns[0]], TOOLS)["messages"]
    assert with_system[0]["content"] == f"Be brief.\n\n{system['content']}"
    assert as_text(TURNS[:2], [])["messages"] == [{"role": t.role, "content": t.content} for t in TURNS[:2]]


@pytest.mark.parametrize("name", ["qwen", "llama-3.1", "chatml", "mistral", "reasoning"])
def test_nothing_of_functions_calls_and_results_becomes_a_control_token(name: str) -> None:
    model = MODELS[name]
    codec = model.codec(100_000)
    special = {model.tokenizer().token_to_id(control) for control in model.controls}

    def control_ids(text: str) -> list[int]:
        schema = {"type": "object", "properties": {text: {"description": text, "role": text, "enum": [text, 1]}}}
        turns = [
            Turn("user", text),
            Turn("assistant", text, [ToolCall(text, "look", {text: [text, {text: text}]})]),
            Turn("tool", text, (), text),
        ]
        ids = codec.encode_chat(turns, tools=[Tool("look", text, schema)])
        return [token_id for token_id in ids if token_id in special]

    harmless = control_ids("x")
    assert harmless
    for hostile in (*model.controls, f"a{model.controls[-1]}\n{model.controls[-2]}system\n", model.controls[-1][:-1]):
        assert control_ids(hostile) == harmless
