"""Between text and tokens: prompts in, UTF-8-safe text out. Knows the tokenizer, no tensors."""

import re
from collections.abc import Sequence, Set

from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from tokenizers.pre_tokenizers import ByteLevel

from runtime.errors import InvalidArgument, NoChatTemplate
from runtime.models import ModelError
from services.ar.codecs.chat.prompt import ChatPrompt
from services.ar.codecs.chat.template import ChatTemplate
from services.ar.model.checkpoint import Checkpoint

_MAX_SILENT_TOKENS = 8  # twice the bytes of the longest character

_BYTE_TOKEN = re.compile("<0x([0-9A-Fa-f]{2})>")  # of a SentencePiece vocabulary


class TextCodec:
    """Encodes prompts and makes a decoder for each output; prompts that can't fit are refused before the work."""

    def __init__(self, checkpoint: Checkpoint, max_context_tokens: int) -> None:
        if checkpoint.tokenizer is None:
            raise ModelError("there is no tokenizer.json, which a text model needs")
        self.max_context_tokens = max_context_tokens
        self.eos_token_ids = checkpoint.eos_token_ids
        self._tokenizer = checkpoint.tokenizer
        self.bos_token_id = checkpoint.bos_token_id
        self.chat_template = checkpoint.chat_template
        self.special_token_ids = _special_ids(checkpoint.tokenizer)
        self._token_bytes = _token_bytes(checkpoint.tokenizer, self.special_token_ids)
        # No prompt of more bytes than this can fit, however it is cut into tokens.
        self._max_prompt_bytes = max_context_tokens * max(map(len, self._token_bytes.values()))
        self._chat = _chat_prompt(checkpoint, checkpoint.tokenizer, self._max_prompt_bytes)

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
            raise InvalidArgument(
                field, f"{num_bytes} bytes", f"a prompt and an output of {self.max_context_tokens} tokens together"
            )
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return self._with_bos(ids) if with_bos else ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens, control tokens as they are written; U+FFFD for bytes that are no character."""
        return self._tokenizer.decode(token_ids, skip_special_tokens=False)

    def tokens_within(self, text: str) -> list[int]:
        """Return the tokens of a text that stands in the midst of others; what looks like a control token is one."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _with_bos(self, ids: list[int]) -> list[int]:
        return ids if self.bos_token_id is None else [self.bos_token_id, *ids]

    def encode_chat(self, messages: Sequence[tuple[str, str]], with_bos: bool = True) -> list[int]:
        """Return the tokens of a conversation of (role, content), up to where the assistant's answer begins.

        Control tokens are the template's alone; in a content they are ordinary text. Raises InvalidArgument.
        """
        if self._chat is None:
            raise NoChatTemplate
        ids = self._chat.encode(messages)
        return self._with_bos(ids) if with_bos else ids

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; may be a part of a character."""
        return self._token_bytes.get(token_id, b"")

    def decoder(self, prompt_token_ids: list[int]) -> "TextDecoder":
        """Return a decoder of the output that follows the prompt."""
        return TextDecoder(self._tokenizer, self.special_token_ids, prompt_token_ids)


class TextDecoder:
    """Turns tokens into text as they come, whole characters only; tokens of `special_ids` give no text.

    The library's stream decodes all tokens that have given no text yet at each call. Tokens whose bytes never make up a
    character would cost their number squared, on the event loop; after `_MAX_SILENT_TOKENS` they are given out as
    they decode, with U+FFFD for what is no character.
    """

    def __init__(self, tokenizer: Tokenizer, special_ids: Set[int], prompt_token_ids: list[int]) -> None:
        self._tokenizer = tokenizer
        self._special_ids = special_ids
        self._silent: list[int] = []  # tokens that have given no text yet
        # The end of the prompt decides whether a first space belongs to the text.
        self._stream = DecodeStream(ids=prompt_token_ids[-4:], skip_special_tokens=True)

    def feed(self, token_id: int) -> str:
        if token_id in self._special_ids:
            return ""
        text = self._stream.step(self._tokenizer, token_id) or ""
        self._silent = [] if text else [*self._silent, token_id]
        return text if len(self._silent) < _MAX_SILENT_TOKENS else self._flush()

    def _flush(self) -> str:
        silent, self._silent = self._silent, []
        self._stream = DecodeStream(ids=silent[-4:], skip_special_tokens=True)
        return self._tokenizer.decode(silent)


def _chat_prompt(checkpoint: Checkpoint, tokenizer: Tokenizer, max_bytes: int) -> ChatPrompt | None:
    if checkpoint.chat_template is None:
        return None
    template = ChatTemplate(checkpoint.chat_template, checkpoint.special_tokens)
    # The codec puts this token first, so what the template writes of it is left out.
    bos = checkpoint.special_tokens.get("bos_token") if checkpoint.bos_token_id is not None else None
    return ChatPrompt(template, tokenizer, bos, max_bytes)


def _special_ids(tokenizer: Tokenizer) -> Set[int]:
    return {token_id for token_id, token in tokenizer.get_added_tokens_decoder().items() if token.special}


def _token_bytes(tokenizer: Tokenizer, special_ids: Set[int]) -> dict[int, bytes]:
    byte_of = _bytes_of_characters() if "ByteLevel" in str(tokenizer.decoder) else None
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return {
        token_id: token.encode() if token_id in special_ids else _bytes_of(token, byte_of)
        for token, token_id in vocabulary.items()
    }


def _bytes_of(token: str, byte_of: dict[str, int] | None) -> bytes:
    if byte_of is not None:
        return bytes(byte_of[c] for c in token) if all(c in byte_of for c in token) else token.encode()
    if (byte := _BYTE_TOKEN.fullmatch(token)) is not None:
        return bytes.fromhex(byte[1])
    return token.replace("\u2581", " ").encode()


def _bytes_of_characters() -> dict[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for (Radford et al. 2019)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    table = {chr(byte): byte for byte in printable}
    table |= {chr(256 + index): byte for index, byte in enumerate(others)}
    if set(table) != set(ByteLevel.alphabet()):
        raise AssertionError("the byte-level alphabet differs from the library's")
    return table
