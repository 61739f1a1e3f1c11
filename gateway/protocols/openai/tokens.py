"""vLLM's paths about tokens: evaluators that have them need no tokenizer of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gateway.protocols.openai.document import Path
from gateway.protocols.openai.exchange import Calls
from gateway.protocols.openai.messages import Body, Reply, limits
from gateway.protocols.openai.text.chat import Message, chat_prompt
from gateway.protocols.openai.text.sampling import TokenIds
from gateway.protocols.openai.text.token_table import to_text
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


class TokenizeBody(Body):
    """A text or a conversation to cut into tokens."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    prompt: str | None = Field(None, description="A text; either this or messages.")
    messages: list[Message] | None = Field(None, description="A conversation, laid out up to where the answer begins.")
    add_special_tokens: bool | None = Field(None, description="False: without the token before every text.")
    return_token_strs: bool | None = Field(None, description="True: token_strs as well.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **dict.fromkeys(("chat_template", "chat_template_kwargs", "continue_final_message", "tools"), ()),
        "add_generation_prompt": (True,),
    }


class DetokenizeBody(Body):
    """Tokens to turn into a text."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    tokens: Annotated[TokenIds, limits(minItems=1)] = Field(description="1 to the context's length of ids.")


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


async def tokenize(body: TokenizeBody, calls: Calls) -> bytes:
    """Answer with the tokens of a text or a conversation. Raises TandemError."""
    model = calls.catalogue.text(body.model)
    if (body.prompt is None) == (body.messages is None):
        raise InvalidArgument("prompt", body.prompt, "a text, or messages instead")
    request = ar_pb2.TokenizeRequest(
        model=model.name,
        text=body.prompt,
        chat=None if body.messages is None else chat_prompt(body.messages),
        without_bos=body.add_special_tokens is False,
    )
    names = {"text": "prompt", "chat.messages": "messages", "chat": "messages", "content": "prompt"}
    reply = await calls.unary("Tokenize", request, names)
    return Tokenized(
        count=len(reply.ids),
        max_model_len=model.described.max_context_tokens,
        tokens=list(reply.ids),
        token_strs=[to_text(token) for token in reply.tokens] if body.return_token_strs else None,
    ).to_json()


async def detokenize(body: DetokenizeBody, calls: Calls) -> bytes:
    """Answer with the text of tokens."""
    request = ar_pb2.DetokenizeRequest(model=calls.catalogue.text(body.model).name, ids=body.tokens)
    reply = await calls.unary("Detokenize", request, {"ids": "tokens"})
    return Detokenized(prompt=reply.text).to_json()


async def describe_tokenizer(parameters: Mapping[str, str], calls: Calls) -> bytes:
    """Answer with how the tokenizer of the model in the query works."""
    model = calls.catalogue.text(parameters.get("model"))
    reply = await calls.unary("DescribeTokenizer", ar_pb2.DescribeTokenizerRequest(model=model.name), {})
    special, bos = dict(reply.special_tokens), reply.bos_token_id if reply.HasField("bos_token_id") else None
    named = {bos, *reply.eos_token_ids[:1]}
    return TokenizerInfo(
        model=model.name,
        tokenizer_class="Tandem",
        model_max_length=model.described.max_context_tokens,
        bos_token=special.get(bos),
        eos_token=special.get(reply.eos_token_ids[0]) if reply.eos_token_ids else None,
        eos_token_ids=list(reply.eos_token_ids),
        additional_special_tokens=[special[token_id] for token_id in sorted(special) if token_id not in named],
        chat_template=reply.chat_template or None,
    ).to_json()


PATHS = (
    Path("/tokenize", "Cut a text or a conversation into tokens", tokenize, "Tokenize", TokenizeBody, Tokenized),
    Path("/detokenize", "Turn tokens into a text", detokenize, "Detokenize", DetokenizeBody, Detokenized),
    Path(
        "/tokenizer_info", "How a model's tokenizer works", describe_tokenizer, "DescribeTokenizer", None, TokenizerInfo
    ),
)
