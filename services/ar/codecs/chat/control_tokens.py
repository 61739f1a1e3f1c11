"""The control tokens of a tokenizer, such as <|im_end|>: where a text has them, and texts in which only some count.

A control token is an added token that the tokenizer's file marks as special. Other added tokens count as vocabulary.
"""

import os
import secrets
from dataclasses import dataclass

from tokenizers import AddedToken, Encoding, Tokenizer

from tandem.shared.errors import InvalidArgument

os.putenv("TOKENIZERS_PARALLELISM", "false")


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Return the ids of a text's tokens, without those that the tokenizer's post-processor would add.

    Without the tokens' places the library takes about .6 of the time. It also frees an encoding in a tenth of the time,
    which other threads must wait for.
    """
    ids: list[int] = tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids
    return ids


def encode_text(tokenizer: Tokenizer, text: str) -> Encoding:
    """Return the same tokens with their places in the text."""
    encodings: list[Encoding] = tokenizer.encode_batch([text], add_special_tokens=False)
    return encodings[0]


@dataclass(frozen=True)
class ControlSpan:
    """A control token and the characters of a text, `start` to `end`, exclusive, that are read as it."""

    token_id: int
    start: int
    end: int


class ControlTokens:
    """`texts` are the control tokens as they are written."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        added = dict(sorted(tokenizer.get_added_tokens_decoder().items()))
        self._special = {token_id: token for token_id, token in added.items() if token.special}
        self.texts = [token.content for token in self._special.values()]
        # No content can hold a name that was drawn here, so what bears one was put there by `encode`.
        secret = secrets.token_hex(16)
        self._names = {token_id: f"{secret}{number:08x}" for number, token_id in enumerate(self._special)}
        self._renamed = self._with_names(tokenizer, added)
        names = {token_id: self._names.get(token_id, token.content) for token_id, token in added.items()}
        self._ids = {self._renamed.token_to_id(name): token_id for token_id, name in names.items()}

    def spans(self, encoding: Encoding) -> list[ControlSpan]:
        """Return the control tokens of an encoded text, in order."""
        spans = []
        for index, token_id in enumerate(encoding.ids):
            if token_id in self._special:
                # One place at a time: while the library makes a list of those of all tokens, no other thread runs.
                place = encoding.token_to_chars(index)
                assert place is not None  # noqa: S101  the token is there
                spans.append(ControlSpan(token_id, *place))
        return spans

    def encode(self, text: str, spans: list[ControlSpan]) -> list[int]:
        """Return the tokens of `text` where these spans are control tokens and all else is ordinary text.

        Raises InvalidArgument if the tokenizer's own model makes a control token of ordinary text.
        """
        ids = token_ids(self._renamed, self._with_spans_named(text, spans))
        # The renamed tokens' own ids lie behind the model's, so what is left here came from the model.
        if any(token_id in self._special and token_id not in self._ids for token_id in ids):
            raise InvalidArgument("chat.messages", "a control token in a content", "contents without control tokens")
        return [self._ids.get(token_id, token_id) for token_id in ids]

    def _with_spans_named(self, text: str, spans: list[ControlSpan]) -> str:
        parts, end = [], 0
        for span in spans:
            parts += [text[end : span.start], self._names[span.token_id]]
            end = span.end
        return "".join((*parts, text[end:]))

    def _with_names(self, tokenizer: Tokenizer, added: dict[int, AddedToken]) -> Tokenizer:
        """Return a tokenizer that shares the model of this one and knows its control tokens by secret names only."""
        renamed = Tokenizer(tokenizer.model)
        if tokenizer.normalizer is not None:
            renamed.normalizer = tokenizer.normalizer
        if tokenizer.pre_tokenizer is not None:
            renamed.pre_tokenizer = tokenizer.pre_tokenizer
        for token_id, token in added.items():
            if token_id in self._special:
                own = {"lstrip": token.lstrip, "rstrip": token.rstrip, "normalized": False, "special": True}
                renamed.add_special_tokens([AddedToken(self._names[token_id], **own)])
            else:
                renamed.add_tokens([token])
        return renamed
