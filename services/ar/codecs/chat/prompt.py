"""From a conversation to tokens: the template's control tokens count, and what looks like one in a content is text.

The conversation is rendered twice, as it is and with its contents masked (content_mask.py). Both texts have the same
characters at the same places, except for masked ones, so the control tokens found in the masked text are the template's
own. If the real text has no others, which is the rule, its tokens are simply those of the whole text. Otherwise it is
encoded with the template's own alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer

from runtime.process.limited_work import LimitedWork, LimitMet
from services.ar.codecs.chat.content_mask import ContentMask
from services.ar.codecs.chat.control_tokens import ControlTokens, encode_text
from services.ar.codecs.chat.tools import Tool, Turn, as_text, call_form, known_to_template, with_texts
from tandem.shared.errors import InvalidArgument, PromptTooLong
from tandem.shared.models import ModelError

ROLES = ("system", "user", "assistant", "tool")


def check_turns(turns: Sequence[Turn]) -> None:
    """Raises InvalidArgument unless there are turns, each of a known role, with what belongs to that."""
    if not turns:
        raise InvalidArgument("chat.messages", [], "at least one message")
    for index, (role, _, calls, call_id) in enumerate(turns):
        field = f"chat.messages[{index}]"
        if role not in ROLES:
            raise InvalidArgument(f"{field}.role", role, " or ".join(map(repr, ROLES)))
        if calls and role != "assistant":
            raise InvalidArgument(f"{field}.tool_calls", f"{len(calls)} calls", f"none in a turn of the {role}")
        if bool(call_id) != (role == "tool"):
            accepted = "the id of the call that this results from" if role == "tool" else "nothing: this is no result"
            raise InvalidArgument(f"{field}.tool_call_id", call_id, accepted)


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
        self.call_form, knows_tools = call_form(template)
        self._laid_out = known_to_template if knows_tools else as_text

    def start(self) -> None:
        """Have the process ready before the first conversation. Raises ModelError if there is no such template."""
        answer = self._answer(None)
        if "reason" in answer:
            raise ModelError(f"the chat template: {answer['reason'][:200]}")

    def render(self, turns: Sequence[Turn], tools: Sequence[Tool] = ()) -> str:
        """Return the conversation, up to where the assistant's answer begins.

        Raises InvalidArgument if the template refuses it.
        """
        answer = self._answer({**self._special_tokens, **self._laid_out(turns, tools), "add_generation_prompt": True})
        if "reason" in answer:
            roles = [turn.role for turn in turns]
            raise InvalidArgument("chat", roles, f"what the template takes ({answer['reason'][:200]})")
        return answer["text"]

    def _answer(self, values: dict[str, object] | None) -> dict[str, str]:
        try:
            answer: dict[str, str] = self._rendering.run(values)
        except LimitMet as error:
            return {"reason": str(error)}
        return answer

    def encode(self, turns: Sequence[Turn], tools: Sequence[Tool] = ()) -> list[int]:
        """Return the tokens of a conversation, up to where the assistant's answer begins. Raises InvalidArgument."""
        check_turns(turns)
        text = self.render(turns, tools)
        self._check_size(text)
        masked = self._masked(turns, tools, text)
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

    def _masked(self, turns: Sequence[Turn], tools: Sequence[Tool], text: str) -> str:
        """Return the rendered text with all that callers wrote masked. Raises InvalidArgument if the template acts upon
        the mask.

        A template that searches contents for markup of its own, such as </think>, may act upon the wide mask. It then
        gets the narrow one, which leaves everything but look-alikes of control tokens as it is.
        """
        written: Any = [[turn[1:] for turn in turns], tools]  # roles are not callers' words
        texts: dict[str, str] = {}
        with_texts(written, lambda text: texts.setdefault(text, text))
        contents = list(texts)
        for mask in (self._mask.every_edge, self._mask.look_alikes):
            hidden = mask(contents, text)
            if hidden.contents == contents:
                return text
            others, masked_tools = with_texts(written, dict(zip(contents, hidden.contents, strict=True)).__getitem__)
            masked_turns = [Turn(turn.role, *other) for turn, other in zip(turns, others, strict=True)]
            masked = self.render(masked_turns, masked_tools)
            if hidden.reveal(masked) == text:
                return masked
        raise InvalidArgument(
            "chat.messages", "a control token in a content", "contents without it: this model's template acts upon it"
        )
