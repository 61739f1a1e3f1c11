"""From a conversation to tokens: the template's control tokens count, and what looks like one in a content is text.

The conversation is rendered twice, as it is and with its contents masked (content_mask.py). Both texts have the same
characters at the same places, except for masked ones, so the control tokens found in the masked text are the template's
own. If the real text has no others, which is the rule, its tokens are simply those of the whole text. Otherwise it is
encoded with the template's own alone.
"""

from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

from runtime.process.limited_work import LimitedWork, LimitMet
from services.ar.codecs.chat.content_mask import ContentMask
from services.ar.codecs.chat.control_tokens import ControlTokens, encode_text
from tandem.shared.errors import InvalidArgument, PromptTooLong
from tandem.shared.models import ModelError

ROLES = ("system", "user", "assistant")
Messages = Sequence[tuple[str, str]]
"""(role, content) of each turn."""


def check_messages(messages: Messages) -> None:
    """Raises InvalidArgument unless there are messages, each of a known role and with a content."""
    if not messages:
        raise InvalidArgument("chat.messages", [], "at least one message")
    for index, (role, content) in enumerate(messages):
        if role not in ROLES:
            raise InvalidArgument(f"chat.messages[{index}].role", role, " or ".join(map(repr, ROLES)))
        if not content:
            raise InvalidArgument(f"chat.messages[{index}].content", content, "a text that is not empty")


class ChatPrompt:
    """Encodes conversations, which `template` lays out; it may use the `special_tokens` by name, such as bos_token.

    `bos`: a control token that is left out where a rendered text begins with it, or None. Texts of more than
    `max_bytes` are refused before they are encoded. Owns a process (rendering.py), which works for one thread at a
    time.
    """

    def __init__(
        self, template: str, special_tokens: Mapping[str, str], tokenizer: Tokenizer, bos: str | None, max_bytes: int
    ) -> None:
        self._rendering = LimitedWork("services.ar.codecs.chat.rendering", template)
        self._special_tokens = dict(special_tokens)
        self._tokenizer = tokenizer
        self._bos = bos
        self._max_bytes = max_bytes
        self._controls = ControlTokens(tokenizer)
        self._mask = ContentMask(self._controls.texts)

    def start(self) -> None:
        """Have the process ready before the first conversation. Raises ModelError if there is no such template."""
        answer = self._answer(None)
        if "reason" in answer:
            raise ModelError(f"the chat template: {answer['reason'][:200]}")

    def render(self, messages: Messages) -> str:
        """Return the conversation, up to where the assistant's answer begins.

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

    def encode(self, messages: Messages) -> list[int]:
        """Return the tokens of a conversation, up to where the assistant's answer begins. Raises InvalidArgument."""
        check_messages(messages)
        text = self.render(messages)
        self._check_size(text)
        masked = self._masked(messages, text)
        if self._bos and masked.startswith(self._bos):
            text, masked = text[len(self._bos) :], masked[len(self._bos) :]
        if not text:
            raise InvalidArgument("chat", "no text", "messages that the template makes a text of")
        encoding = encode_text(self._tokenizer, text)
        own = self._controls.spans(encoding if masked == text else encode_text(self._tokenizer, masked))
        return encoding.ids if own == self._controls.spans(encoding) else self._controls.encode(text, own)

    def _check_size(self, text: str) -> None:
        num_bytes = len(text.encode(errors="surrogatepass"))
        if num_bytes > self._max_bytes:
            raise PromptTooLong("chat", f"{num_bytes} bytes", f"at most {self._max_bytes} bytes")

    def _masked(self, messages: Messages, text: str) -> str:
        """Return the rendered text with its contents masked. Raises InvalidArgument if the template acts upon the mask.

        A template that searches contents for markup of its own, such as </think>, may act upon the wide mask. It then
        gets the narrow one, which leaves everything but look-alikes of control tokens as it is.
        """
        contents = [content for _, content in messages]
        for mask in (self._mask.every_edge, self._mask.look_alikes):
            hidden = mask(contents, text)
            if hidden.contents == contents:
                return text
            roles = [role for role, _ in messages]
            masked = self.render(list(zip(roles, hidden.contents, strict=True)))
            if hidden.reveal(masked) == text:
                return masked
        raise InvalidArgument(
            "chat.messages", "a control token in a content", "contents without it: this model's template acts upon it"
        )
