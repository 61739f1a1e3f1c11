"""A template lays out a conversation, or says what it does not take; a faulty one costs the request alone."""

import pytest

from runtime.errors import InvalidArgument
from services.ar.codecs.chat.template import ChatTemplate

TURNS = [("user", "hello")]
ENDLESS = "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}"


def test_a_conversation_is_laid_out_with_the_special_tokens() -> None:
    source = (
        "{{ bos }}{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}{{ add_generation_prompt }}"
    )
    assert ChatTemplate(source, {"bos": "^"}).render(TURNS) == "^<user>helloTrue"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ raise_exception('no system turn') }}", "no system turn"),
        (ENDLESS, "RecursionError"),
        ("{{ messages[0].content + 1 }}", "TypeError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
    ],
)
def test_what_a_template_refuses_or_fails_at_is_told(source: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        ChatTemplate(source, {}).render(TURNS)
