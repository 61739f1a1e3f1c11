"""Between text and tokens: prompts in, UTF-8-safe text out. Knows the tokenizer, no tensors."""

import codecs
import re
from collections.abc import Mapping, Sequence, Set
from itertools import islice

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from services.ar.codecs.chat.control_tokens import token_ids
from services.ar.codecs.chat.prompt import ChatPrompt
from services.ar.codecs.chat.tools import TAGGED, Tool, Turn
from services.ar.model.checkpoint import Checkpoint
from tandem.shared.errors import InvalidArgument, NoChatTemplate, PromptTooLong
from tandem.shared.model_spec import TextTokensSpec
from tandem.shared.models import ModelError

_Utf8Decoder = codecs.getincrementaldecoder("utf-8")

_BYTE_TOKEN = re.compile("<0x([0-9A-Fa-f]{2})>")  # of a SentencePiece vocabulary


class TextCodec:
    """Encodes prompts and makes a decoder for each output; prompts that can't fit are refused before the work."""

    def __init__(
        self, checkpoint: Checkpoint, max_context_tokens: int, text_tokens: TextTokensSpec | None = None
    ) -> None:
        tokenizer, special = checkpoint.tokenizer, checkpoint.special_tokens
        if tokenizer is None:
            raise ModelError("there is no tokenizer.json, which a text model needs")
        self.mask_token = None if text_tokens is None else text_tokens.mask_token
        self.window_tokens = 0 if text_tokens is None else text_tokens.window
        """The most tokens of an output, in a model with an order of its own; else 0."""
        self.causes = {} if text_tokens is None else {"text_tokens": text_tokens.model_dump()}
        """What texts depend on besides the files of the model; values that JSON can hold."""
        self.max_context_tokens = max_context_tokens
        self.eos_token_ids = checkpoint.eos_token_ids
        self._tokenizer = tokenizer
        self.bos_token_id = checkpoint.bos_token_id
        self.chat_template = checkpoint.chat_template
        self.special_token_ids = _special_ids(tokenizer)
        self._token_bytes = _token_bytes(tokenizer, self.special_token_ids)
        self._drops_first_space = _drops_first_space(tokenizer, self._token_bytes)
        # No prompt of more bytes than this can fit, however it is cut into tokens.
        self._max_prompt_bytes = max_context_tokens * max(map(len, self._token_bytes.values()))
        self._chat: ChatPrompt | None = None
        if checkpoint.chat_template is not None:
            # The codec puts this token first, so what the template writes of it is left out.
            bos = special.get("bos_token") if checkpoint.bos_token_id is not None else None
            self._chat = ChatPrompt(checkpoint.chat_template, special, tokenizer, bos, self._max_prompt_bytes)
        self.call_form = TAGGED if self._chat is None else self._chat.call_form

    def start(self) -> None:
        """Have what renders conversations ready before the first one. Raises ModelError if the template is none."""
        if self._chat is not None:
            self._chat.start()

    @property
    def special_tokens(self) -> dict[int, str]:
        """Return how each control token is written, by its id, ascending."""
        return {token_id: self.token_bytes(token_id).decode() for token_id in sorted(self.special_token_ids)}

    def encode(self, text: str, field: str = "text", with_bos: bool = True) -> list[int]:
        """Return the tokens of a plain text. Raises InvalidArgument, about `field`, if it is empty or far too long.

        What is written like a control token is one: who sends a plain prompt lays it out, with the model's own markup.
        Without `with_bos`, the token that stands before every text is left out.
        """
        if not text:
            raise InvalidArgument(field, text, "a text that is not empty")
        num_bytes = len(text.encode(errors="surrogatepass"))
        if num_bytes > self._max_prompt_bytes:
            raise PromptTooLong(
                field, f"{num_bytes} bytes", f"a prompt and an output of {self.max_context_tokens} tokens together"
            )
        ids = token_ids(self._tokenizer, text)
        return self._with_bos(ids) if with_bos else ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens, control tokens as they are written; U+FFFD for bytes that are no character."""
        return self._tokenizer.decode(token_ids, skip_special_tokens=False)

    def tokens_within(self, text: str) -> list[int]:
        """Return the tokens of a text that stands in the midst of others; what looks like a control token is one."""
        return token_ids(self._tokenizer, text)

    def _with_bos(self, ids: list[int]) -> list[int]:
        return ids if self.bos_token_id is None else [self.bos_token_id, *ids]

    def encode_chat(
        self,
        messages: Sequence[tuple[str, str] | Turn],
        with_bos: bool = True,
        *,
        tools: Sequence[Tool] = (),
        is_plain_without: bool = False,
    ) -> list[int]:
        """Return the tokens of a conversation of (role, content), up to where the assistant's answer begins.

        Control tokens are the template's alone; in a content they are ordinary text. It lists `tools` as functions that
        the assistant may call. `is_plain_without` a template: an only message is a plain text. Raises InvalidArgument.
        """
        if self._chat is None:
            if is_plain_without and len(messages) == 1 and not tools:
                return self.encode(messages[0][1], "chat.messages[0].content", with_bos)
            raise NoChatTemplate
        ids = self._chat.encode([Turn(*message) for message in messages], tools)
        return self._with_bos(ids) if with_bos else ids

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; may be a part of a character."""
        return self._token_bytes.get(token_id, b"")

    def decoder(self, prompt_token_ids: list[int]) -> "TextDecoder":
        """Return a decoder of the output that follows the prompt."""
        return TextDecoder(self._token_bytes, self.special_token_ids, prompt_token_ids, self._drops_first_space)


class TextDecoder:
    """Turns tokens into text as they come, whole characters only; tokens of `special_ids` give no text.

    Bytes that form no character are U+FFFD. A character that the prompt's last tokens begin comes whole. With
    `drops_first_space`, a space that begins prompt and output together, as SentencePiece's does, is left out.
    """

    def __init__(
        self,
        token_bytes: Mapping[int, bytes],
        special_ids: Set[int],
        prompt_token_ids: Sequence[int],
        drops_first_space: bool,
    ) -> None:
        self._token_bytes = token_bytes
        self._special_ids = special_ids
        self._utf8 = _Utf8Decoder("replace")
        self._drops_space = drops_first_space and all(token_id in special_ids for token_id in prompt_token_ids)
        for token_id in prompt_token_ids[-4:]:  # a character has four bytes at the most
            if token_id not in special_ids:
                self._utf8.decode(token_bytes.get(token_id, b""))

    def feed(self, token_id: int) -> str:
        if token_id in self._special_ids:
            return ""
        text = self._utf8.decode(self._token_bytes.get(token_id, b""))
        if self._drops_space and text:
            self._drops_space = False
            return text.removeprefix(" ")
        return text


def _special_ids(tokenizer: Tokenizer) -> Set[int]:
    return {token_id for token_id, token in tokenizer.get_added_tokens_decoder().items() if token.special}


def _token_bytes(tokenizer: Tokenizer, special_ids: Set[int]) -> dict[int, bytes]:
    byte_of = _bytes_of_characters() if "ByteLevel" in str(tokenizer.decoder) else None
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return {
        token_id: token.encode() if token_id in special_ids else _bytes_of(token, byte_of)
        for token, token_id in vocabulary.items()
    }


def _drops_first_space(tokenizer: Tokenizer, token_bytes: Mapping[int, bytes]) -> bool:
    """Return whether the tokenizer leaves out a space that begins a text; it adds one before each text it encodes."""
    words = (token_id for token_id, data in token_bytes.items() if len(data) > 1 and data[:1] == b" " != data[1:2])
    return any(not tokenizer.decode([token_id]).startswith(" ") for token_id in islice(words, 1))


def _bytes_of(token: str, byte_of: dict[str, int] | None) -> bytes:
    if byte_of is not None:
        return bytes(byte_of[c] for c in token) if all(c in byte_of for c in token) else token.encode()
    if (byte := _BYTE_TOKEN.fullmatch(token)) is not None:
        return bytes.fromhex(byte[1])
    return token.replace("\u2581", " ").encode()


def _bytes_of_characters() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for (Radford et al. 2019)."""
    table = {character: ord(character) for character in ByteLevel.alphabet() if ord(character) < 256}
    others = sorted(set(range(256)).difference(table.values()))
    return table | {chr(256 + index): byte for index, byte in enumerate(others)}
