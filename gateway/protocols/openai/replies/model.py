"""The replies of GET /v1/models, and of the paths about tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.protocols.openai.replies.reply import Reply


class Model(Reply):
    """A model that a backend serves."""

    id: str
    object: Literal["model"]
    created: int = Field(description="When the gateway started, seconds since 1970.")
    owned_by: Literal["tandem"]
    max_model_len: int | None = Field(None, description="vLLM's: tokens of prompt and output together; text models.")


class Models(Reply):
    """All of them, text models first."""

    object: Literal["list"]
    data: list[Model]


class Tokenized(Reply):
    """The tokens of a text or a conversation."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class Detokenized(Reply):
    """The text of tokens."""

    prompt: str


class TokenizerInfo(Reply):
    """How a model's tokenizer works."""

    model: str
    tokenizer_class: Literal["Tandem"]
    model_max_length: int
    bos_token: str | None
    eos_token: str | None = Field(description="The first of the tokens that end an output.")
    eos_token_ids: list[int]
    additional_special_tokens: list[str]
    chat_template: str | None
