"""A model's chat template: the roles and contents of a conversation in, one text out. Knows no tokens."""

from collections.abc import Mapping, Sequence

import jinja2

from runtime.errors import InvalidArgument
from runtime.models import ModelError
from services.ar.codecs.chat.bounded_environment import BoundedEnvironment, render

ROLES = ("system", "user", "assistant")


class ChatTemplate:
    """`special_tokens`: what the template may use by name, such as bos_token. Raises ModelError if it is none."""

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        environment = BoundedEnvironment()
        environment.globals["raise_exception"] = _raise_exception
        try:
            self._template = environment.from_string(source)
        except Exception as error:  # Jinja's own, and those of Python's compiler for what Jinja makes of it
            raise ModelError(f"the chat template: {type(error).__name__}: {str(error)[:200]}") from None
        self._special_tokens = dict(special_tokens)

    def render(self, messages: Sequence[tuple[str, str]]) -> str:
        """Return the conversation of (role, content), up to where the assistant's answer begins.

        Raises InvalidArgument if the template refuses it.
        """
        turns = [{"role": role, "content": content} for role, content in messages]
        try:
            return render(self._template, {**self._special_tokens, "messages": turns, "add_generation_prompt": True})
        except Exception as error:  # Jinja's own, and what a faulty template meets: endless recursion, a wrong type
            reason = str(error) if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: {error}"
            roles = [role for role, _ in messages]
            raise InvalidArgument("chat", roles, f"what the template takes ({reason[:200]})") from None


def check_messages(messages: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidArgument unless there are messages, each of a known role and with a content."""
    if not messages:
        raise InvalidArgument("chat.messages", [], "at least one message")
    for index, (role, content) in enumerate(messages):
        if role not in ROLES:
            raise InvalidArgument(f"chat.messages[{index}].role", role, " or ".join(map(repr, ROLES)))
        if not content:
            raise InvalidArgument(f"chat.messages[{index}].content", content, "a text that is not empty")


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
