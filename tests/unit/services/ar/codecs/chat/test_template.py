"""A template lays out a conversation, or says what it does not take; a faulty one costs the request alone."""

import pytest

from services.ar.codecs.chat.prompt import ChatTemplate
from tandem.shared.errors import InvalidArgument
from tandem.shared.models import ModelError

TURNS = [("user", "hello")]
ENDLESS = "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}"

ENDLESS_LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


def test_a_conversation_is_laid_out_with_the_special_tokens() -> None:
    source = (
        "{{ bos }}{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}{{ add_generation_prompt }}"
    )
    assert ChatTemplate(source, {"bos": "^"}).render(TURNS) == "^<user>helloTrue"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{% if false %}{{ messages | shout }}{% endif %}", "TemplateError: there is no filter 'shout'"),
        ("{% for turn in messages %}", "TemplateSyntaxError"),
        ("{{ 9 ** (9 ** 9) }}", "more than 1 s of processor time"),
    ],
)
def test_what_is_no_template_is_told_at_the_start(source: str, reason: str) -> None:
    with pytest.raises(ModelError, match=f"the chat template: {reason}"):
        ChatTemplate(source, {}).start()


def test_it_goes_on_after_a_conversation_that_it_did_not_get_through() -> None:
    template = ChatTemplate(f"{{% if messages | length > 1 %}}{ENDLESS_LOOP}{{% endif %}}fine", {})
    template.start()
    with pytest.raises(InvalidArgument, match="processor time"):
        template.render(TURNS * 2)
    assert template.render(TURNS) == "fine"
