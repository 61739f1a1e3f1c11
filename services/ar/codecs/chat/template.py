"""A model's chat template: the roles and contents of a conversation in, one text out. Knows no tokens."""

from collections.abc import Mapping, Sequence

from runtime.process.limited_work import LimitedWork, LimitMet
from tandem.shared.errors import InvalidArgument
from tandem.shared.models import ModelError

ROLES = ("system", "user", "assistant")


class ChatTemplate:
    """`special_tokens`: what the template may use by name, such as bos_token.

    Owns a process (rendering.py), which works for one thread at a time.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str]) -> None:
        self._rendering = LimitedWork("services.ar.codecs.chat.rendering", source)
        self._special_tokens = dict(special_tokens)

    def start(self) -> None:
        """Have the process ready before the first conversation. Raises ModelError if there is no such template."""
        answer = self._answer(None)
        if "reason" in answer:
            raise ModelError(f"the chat template: {answer['reason'][:200]}")

    def render(self, messages: Sequence[tuple[str, str]]) -> str:
        """Return the conversation of (role, content), up to where the assistant's answer begins.

        Raises InvalidArgument if the template refuses it.
        """
        turns = [{"role": role, "content": content} for role, content in messages]
        answer = self._answer({**self._special_tokens, "messages": turns, "add_generation_prompt": True})
        if "reason" in answer:
            roles = [role for role, _ in messages]
            raise InvalidArgument("chat", roles, f"what the template takes ({answer['reason'][:200]})")
        return answer["text"]

    def _answer(self, values: dict[str, object] | None) -> dict[str, str]:
        try:
            answer: dict[str, str] = self._rendering.run(values)
        except LimitMet as error:
            return {"reason": str(error)}
        return answer


def check_messages(messages: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidArgument unless there are messages, each of a known role and with a content."""
    if not messages:
        raise InvalidArgument("chat.messages", [], "at least one message")
    for index, (role, content) in enumerate(messages):
        if role not in ROLES:
            raise InvalidArgument(f"chat.messages[{index}].role", role, " or ".join(map(repr, ROLES)))
        if not content:
            raise InvalidArgument(f"chat.messages[{index}].content", content, "a text that is not empty")
