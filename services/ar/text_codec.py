"""Between text and tokens: prompts in, UTF-8-safe text out. Knows the tokenizer and the chat template, no tensors."""

from collections.abc import Sequence

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream
from tokenizers.pre_tokenizers import ByteLevel

from runtime.errors import InvalidArgument
from runtime.models import ModelError
from services.ar.checkpoint import Checkpoint

_ROLES = ("system", "user", "assistant")


class TextCodec:
    """Encodes prompts and makes a decoder for each output; prompts that can't fit are refused before the work."""

    def __init__(self, checkpoint: Checkpoint, max_context_tokens: int) -> None:
        if checkpoint.tokenizer is None:
            raise ModelError("there is no tokenizer.json, which a text model needs")
        self.max_context_tokens = max_context_tokens
        self.eos_token_ids = checkpoint.eos_token_ids
        self._tokenizer = checkpoint.tokenizer
        self._bos_token_id = checkpoint.bos_token_id
        self._special_tokens = checkpoint.special_tokens
        self._template = _compile(checkpoint.chat_template)
        self._token_bytes = _token_bytes(checkpoint.tokenizer)
        # No prompt of more bytes than this can fit, however it is cut into tokens.
        self._max_prompt_bytes = max_context_tokens * max(map(len, self._token_bytes.values()))

    def encode(self, text: str, field: str = "text") -> list[int]:
        """Return the tokens of a plain text. Raises InvalidArgument, about `field`, if it is empty or far too long."""
        if not text:
            raise InvalidArgument(field, text, "a text that is not empty")
        num_bytes = len(text.encode(errors="surrogatepass"))
        if num_bytes > self._max_prompt_bytes:
            raise InvalidArgument(
                field, f"{num_bytes} bytes", f"a prompt and an output of {self.max_context_tokens} tokens together"
            )
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids if self._bos_token_id is None else [self._bos_token_id, *ids]

    def encode_chat(self, messages: Sequence[tuple[str, str]]) -> list[int]:
        """Return the tokens of a conversation of (role, content), up to where the assistant's answer begins."""
        if self._template is None:
            raise InvalidArgument("chat", "messages", "text or tokens: this model has no chat template")
        if not messages:
            raise InvalidArgument("chat.messages", [], "at least one message")
        for index, (role, content) in enumerate(messages):
            if role not in _ROLES:
                raise InvalidArgument(f"chat.messages[{index}].role", role, " or ".join(map(repr, _ROLES)))
            if not content:
                raise InvalidArgument(f"chat.messages[{index}].content", content, "a text that is not empty")
        turns = [{"role": role, "content": content} for role, content in messages]
        try:
            text = self._template.render(messages=turns, add_generation_prompt=True, **self._special_tokens)
        except jinja2.TemplateError as error:
            raise InvalidArgument(
                "chat", [role for role, _ in messages], f"what the template takes ({error})"
            ) from None
        bos = self._special_tokens.get("bos_token")
        if self._bos_token_id is not None and bos and text.startswith(bos):
            text = text[len(bos) :]  # encode puts it back
        return self.encode(text)

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; may be a part of a character."""
        return self._token_bytes.get(token_id, b"")

    def decoder(self, prompt_token_ids: list[int]) -> "TextDecoder":
        """Return a decoder of the output that follows the prompt."""
        return TextDecoder(self._tokenizer, prompt_token_ids)


class TextDecoder:
    """Turns tokens into text as they come, whole characters only; special tokens give no text."""

    def __init__(self, tokenizer: Tokenizer, prompt_token_ids: list[int]) -> None:
        self._tokenizer = tokenizer
        # The prompt's end tells whether a first space belongs to the text.
        self._stream = DecodeStream(ids=prompt_token_ids[-4:], skip_special_tokens=True)

    def feed(self, token_id: int) -> str:
        return self._stream.step(self._tokenizer, token_id) or ""


def _compile(template: str | None) -> jinja2.Template | None:
    if template is None:
        return None
    # A template comes with the weights: it is text from strangers and runs in a sandbox.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _raise_exception
    return environment.from_string(template)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _token_bytes(tokenizer: Tokenizer) -> dict[int, bytes]:
    byte_of = _bytes_of_characters() if "ByteLevel" in str(tokenizer.decoder) else None
    special = {token_id for token_id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return {
        token_id: token.encode() if token_id in special else _bytes_of(token, byte_of)
        for token, token_id in vocabulary.items()
    }


def _bytes_of(token: str, byte_of: dict[str, int] | None) -> bytes:
    if byte_of is not None:
        return bytes(byte_of[c] for c in token) if all(c in byte_of for c in token) else token.encode()
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
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
